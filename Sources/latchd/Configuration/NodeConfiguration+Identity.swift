/// What nodes compare with each other to see that they belong together.
extension NodeConfiguration {
    /// The cluster's name as 64 bits for the peer handshake: FNV-1a of its UTF-8 bytes.
    var clusterID: UInt64 { fnv1a(cluster.utf8) }

    /// One line a member, `id=host:port` with the peer address, ascending by id.
    ///
    /// Two nodes with the same lines have the same member list. Client addresses are not in it:
    /// they may change without the cluster's consent.
    var memberLines: [String] { members.map { "\($0.id)=\($0.peer)" } }

    /// FNV-1a over `memberLines`, then `incarnation=N` unless that is 0, each followed by a line
    /// feed: nodes refuse a peer whose differs.
    var memberDigest: UInt64 {
        let lines = memberLines + (incarnation == 0 ? [] : ["incarnation=\(incarnation)"])
        return fnv1a(lines.map { $0 + "\n" }.joined().utf8)
    }

    /// The entry of this node in `members`.
    var ownMember: Member? { members.first { $0.id == node } }
}

/// FNV-1a, 64 bits: offset basis 14695981039346656037, prime 1099511628211.
///
/// It names things; it is no protection against somebody who looks for collisions.
func fnv1a(_ bytes: some Sequence<UInt8>) -> UInt64 {
    bytes.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
}
