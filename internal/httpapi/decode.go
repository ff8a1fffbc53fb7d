package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Decode reads a JSON body into the struct that v points to, and names every
// field that is unknown or of the wrong type, not only the first. Field names
// must match exactly, case included. An empty body is an empty object.
func Decode(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	members, err := object(body)
	if err != nil {
		return err
	}
	target := reflect.ValueOf(v).Elem()
	var wrong []dcm.FieldError
	for _, m := range members {
		field, ok := fieldNamed(target, m.name)
		if !ok {
			wrong = append(wrong, dcm.FieldError{Field: clipName(m.name), Message: "is not a known field"})
			continue
		}
		if m.repeated {
			wrong = append(wrong, dcm.FieldError{Field: m.name, Message: "is given twice"})
			continue
		}
		if err := strictly(m.value, field.Addr().Interface()); err != nil {
			wrong = append(wrong, mistake(m.name, field.Type(), err))
		}
	}
	return dcm.InvalidFields(wrong...)
}

type member struct {
	name     string
	value    json.RawMessage
	repeated bool
}

var errNotObject = dcm.InvalidFields(dcm.FieldError{Field: "body", Message: "must be one JSON object"})

// object splits a JSON object into its members, in order.
func object(body []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	var members []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errNotObject
		}
		m := member{name: name.(string)}
		if err := d.Decode(&m.value); err != nil {
			return nil, errNotObject
		}
		m.repeated = slices.ContainsFunc(members, func(o member) bool { return o.name == m.name })
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, errNotObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return members, nil
}

// strictly unmarshals a value and refuses unknown fields inside it.
func strictly(value json.RawMessage, v any) error {
	d := json.NewDecoder(bytes.NewReader(value))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func fieldNamed(target reflect.Value, name string) (reflect.Value, bool) {
	for i := range target.NumField() {
		tag, _, _ := strings.Cut(target.Type().Field(i).Tag.Get("json"), ",")
		if tag == name && tag != "" && tag != "-" {
			return target.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// mistake says what is wrong in the words of JSON, not of Go.
func mistake(name string, t reflect.Type, err error) dcm.FieldError {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field != "" {
			name += "." + e.Field
		}
		return dcm.FieldError{Field: name, Message: "must be " + jsonKind(e.Type)}
	}
	if rest, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return dcm.FieldError{Field: name + "." + clipName(strings.Trim(rest, `"`)), Message: "is not a known field"}
	}
	return dcm.FieldError{Field: name, Message: "must be " + jsonKind(t)}
}

func jsonKind(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct:
		if t.Name() == "Time" {
			return "a time such as 2026-01-02T15:04:05Z"
		}
		return "an object"
	default:
		return fmt.Sprintf("of another type (%s)", t.Kind())
	}
}

// clipName keeps an answer from repeating what may be very long.
func clipName(name string) string {
	if len(name) > 64 {
		return strings.ToValidUTF8(name[:64], "") + "…"
	}
	return name
}
