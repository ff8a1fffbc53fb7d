package dcm

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// sshKeyTypes are the key types OpenSSH accepts by default today. DSA is not.
var sshKeyTypes = map[string]bool{
	"ssh-ed25519": true, "ssh-rsa": true,
	"ecdsa-sha2-nistp256": true, "ecdsa-sha2-nistp384": true, "ecdsa-sha2-nistp521": true,
	"sk-ssh-ed25519@openssh.com": true, "sk-ecdsa-sha2-nistp256@openssh.com": true,
}

// CheckSSHPublicKey accepts one line of an authorized_keys file without
// options: type, base64, optional comment. The type inside the base64 must be
// the one in front (RFC 4253, section 6.6).
func CheckSSHPublicKey(line string) error {
	if strings.Contains(line, "PRIVATE KEY") {
		return errors.New("is a private key; send the public one, and replace this pair")
	}
	if len(line) > 4096 {
		return errors.New("must be at most 4096 characters")
	}
	if strings.ContainsFunc(line, isUnprintable) {
		return errors.New("must be one line without control characters")
	}
	fields := strings.Fields(line)
	if len(fields) < 2 || !sshKeyTypes[fields[0]] {
		return errors.New("must be an OpenSSH public key: ssh-ed25519, ecdsa or ssh-rsa")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return errors.New("is not a complete public key")
	}
	parts, ok := sshStrings(blob)
	if !ok || len(parts) < 2 || string(parts[0]) != fields[0] {
		return errors.New("is not a complete public key")
	}
	if fields[0] == "ssh-rsa" && (len(parts) != 3 || len(parts[2]) < 256) {
		return errors.New("must be an RSA key of at least 2048 bits")
	}
	if fields[0] == "ssh-ed25519" && (len(parts) != 2 || len(parts[1]) != 32) {
		return errors.New("is not a complete public key")
	}
	return nil
}

// sshStrings splits a blob into its length-prefixed strings.
func sshStrings(blob []byte) ([][]byte, bool) {
	var parts [][]byte
	for len(blob) > 0 {
		if len(blob) < 4 {
			return nil, false
		}
		n := binary.BigEndian.Uint32(blob)
		if uint64(n) > uint64(len(blob)-4) {
			return nil, false
		}
		parts = append(parts, blob[4:4+n])
		blob = blob[4+n:]
	}
	return parts, true
}
