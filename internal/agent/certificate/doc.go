// Package certificate keeps the VM's certificate: one for its host name and the
// names one label below it.
//
// Its key is made here and never leaves the VM: not to the control plane, and
// into no backup. What proves to a certificate authority that the name is ours
// is published by the control plane, which will publish it at this VM's name and
// at no other. The authorities are a list: one that fails, or has signed as many
// as it will, is passed over for the next.
//
// The protocol is acmez's, the library under Caddy's certmagic.
package certificate
