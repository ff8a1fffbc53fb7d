// Package s3 is the local stack's stand-in for Amazon S3: the operations that
// backups need, over real HTTP, for real SDK clients.
//
// It is an engine of its own rather than gofakes3 behind a guard. The guard
// would have had to verify signatures, expiry and checksums, remember the
// parts' checksums for ListParts, apply If-None-Match on completion, and keep
// the content out of memory: all that makes S3 worth imitating here, and more
// code than the storing that would have been left to the library, which holds
// every object in memory several times.
//
// What it promises:
//   - A request is served only if its SigV4 signature, recomputed here over
//     what arrived, matches: in the Authorization header or in a presigned
//     URL. Expiry and clock skew are judged by the injected clock.
//   - A presigned request with an x-amz-* header that was not signed is
//     refused, as S3 does; so is a body whose checksum is not the one named.
//   - Content is spooled to files in a private temporary directory: memory
//     stays flat however large a backup is, and completing an upload copies
//     nothing.
//   - What it does not implement it refuses with NotImplemented; it never
//     answers wrongly.
//
// Buckets are addressed by path (http://host/bucket/key). An ETag is opaque,
// and not the content's MD5.
package s3
