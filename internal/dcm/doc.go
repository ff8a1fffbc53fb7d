// Package dcm is the domain of devcontainer-manager: what tenants, workspaces
// and VMs are, which moves between states are legal, what input is acceptable,
// and the ports through which the lifecycle reaches the outside world.
//
// It imports nothing but the standard library, and no vendor's type crosses a
// port declared here.
package dcm
