package sam

import (
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

const apiKind = "AWS::Serverless::HttpApi"

// route reads one HttpApi event, with its API's authorizer and throttling.
func (d *document) route(function string, n *yaml.Node, at place) (Route, error) {
	api, err := d.apiOf(n, at)
	if err != nil {
		return Route{}, err
	}
	r := Route{Function: function}
	if r.Method, err = d.text(child(n, "Method"), at.in("Method")); err != nil {
		return r, err
	}
	if r.Path, err = d.text(child(n, "Path"), at.in("Path")); err != nil {
		return r, err
	}
	r.Method, r.Path = strings.ToUpper(r.Method), routePath(r.Path)
	if r.Authorizer, err = d.authorizerOf(n, api, at); err != nil {
		return r, err
	}
	return r, d.throttle(&r, api)
}

// apiOf finds the API a route belongs to. SAM's implicit API is refused: it
// would have no authorizer.
func (d *document) apiOf(n *yaml.Node, at place) (resource, error) {
	id := child(n, "ApiId")
	if id == nil {
		return resource{}, at.errorf(n, "names no ApiId")
	}
	name, argument, ok := intrinsic(id)
	if !ok || name != "Ref" {
		return resource{}, at.in("ApiId").errorf(id, "must be a !Ref")
	}
	api, ok := d.byID[argument.Value]
	if !ok || api.kind != apiKind {
		return resource{}, at.in("ApiId").errorf(id, "there is no API %q", argument.Value)
	}
	return api, nil
}

// authorizerOf returns the authorizer of a route: its own, or the API's
// default one; nil where the route says NONE.
func (d *document) authorizerOf(n *yaml.Node, api resource, at place) (*Authorizer, error) {
	auth := child(api.properties, "Auth")
	chosen, where := child(child(n, "Auth"), "Authorizer"), at.in("Auth.Authorizer")
	if chosen == nil {
		chosen, where = child(auth, "DefaultAuthorizer"), api.at.in("Auth.DefaultAuthorizer")
	}
	if chosen == nil {
		return nil, nil
	}
	name, err := d.text(chosen, where)
	if err != nil || name == "NONE" {
		return nil, err
	}
	definition := child(child(auth, "Authorizers"), name)
	if definition == nil {
		return nil, where.errorf(chosen, "there is no authorizer %q", name)
	}
	return d.authorizer(name, child(definition, "JwtConfiguration"), api.at.in("Auth.Authorizers").in(name))
}

func (d *document) authorizer(name string, jwt *yaml.Node, at place) (*Authorizer, error) {
	if jwt == nil {
		return nil, at.errorf(jwt, "is not a JWT authorizer")
	}
	issuer, err := d.text(child(jwt, "issuer"), at.in("issuer"))
	if err != nil {
		return nil, err
	}
	audience, err := d.value(child(jwt, "audience"), at.in("audience"))
	if err != nil {
		return nil, err
	}
	a := &Authorizer{Name: name, Issuer: issuer}
	switch v := audience.(type) {
	case []any:
		a.Audience = texts(v)
	case string:
		a.Audience = []string{v}
	}
	if len(a.Audience) == 0 {
		return nil, at.errorf(jwt, "names no audience")
	}
	return a, nil
}

// throttle reads a route's limits, the stage's default where it has none.
func (d *document) throttle(r *Route, api resource) error {
	at, settings := api.at.in("RouteSettings").in(r.Key()), child(child(api.properties, "RouteSettings"), r.Key())
	if settings == nil {
		at, settings = api.at.in("DefaultRouteSettings"), child(api.properties, "DefaultRouteSettings")
	}
	if settings == nil {
		return nil
	}
	rate, err := d.text(child(settings, "ThrottlingRateLimit"), at.in("ThrottlingRateLimit"))
	if err != nil {
		return err
	}
	burst, err := d.text(child(settings, "ThrottlingBurstLimit"), at.in("ThrottlingBurstLimit"))
	if err != nil {
		return err
	}
	if r.RatePerSecond, err = strconv.ParseFloat(rate, 64); err != nil {
		return at.errorf(settings, "bad rate: %w", err)
	}
	if r.Burst, err = strconv.Atoi(burst); err != nil {
		return at.errorf(settings, "bad burst: %w", err)
	}
	return nil
}
