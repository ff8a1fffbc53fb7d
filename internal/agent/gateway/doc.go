// Package gateway is the VM's front door: one HTTP handler that routes by the
// first label of the host name, behind the terminal password.
//
//	ui.<hostname>      the web terminal
//	<port>.<hostname>  that port of the workspace, WebSockets included
//
// Nothing of the workspace answers before the caller has shown the password:
// on the login page, which leaves a cookie, or as HTTP Basic with any user
// name. What proves the caller to the gateway never reaches a workspace's
// server, and what the gateway says about the caller (X-Forwarded-*) can't be
// claimed by one.
//
// Every page of one VM is same-site with every other VM of the installation,
// so SameSite alone separates nothing here: changes and WebSockets are refused
// to pages of another origin (see crossorigin.go).
package gateway
