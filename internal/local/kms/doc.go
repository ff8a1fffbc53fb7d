// Package kms is the local stack's stand-in for AWS KMS: the operations that
// envelopes and tokens need, over KMS's own JSON protocol, for real SDK
// clients.
//
// The cryptography is real: AES-256-GCM with the encryption context as
// associated data, and ECDSA on P-256. Only its keys are not in hardware, and
// are gone when the process ends. It checks no signature: whoever reaches the
// loopback port may use the keys.
package kms
