/// The byte after a frame's length: what its body is. `Docs/PeerProtocol.md` has every layout.
///
/// A number is never given a second meaning; a type that a version lacks closes the connection.
package enum FrameType: UInt8, CaseIterable, Sendable {
    // The connection's own frames.
    case hello = 0x01
    case welcome = 0x02
    case refusal = 0x03
    case confirm = 0x04
    case ping = 0x05
    case pong = 0x06
    // One for each case of `Message.Body`.
    case requestVote = 0x10
    case requestVoteReply = 0x11
    case appendEntries = 0x12
    case appendEntriesReply = 0x13
    case installSnapshot = 0x14
    case installSnapshotReply = 0x15
    case timeoutNow = 0x16
    // Node to node, outside the Raft paper.
    case proposals = 0x20
    case proposalsRefused = 0x21
    case readIndexRequest = 0x22
    case readIndexReply = 0x23
    case stateDigest = 0x24
}

/// The numbers that bound what a peer may make this process read or allocate.
package enum WireLimits {
    /// The bytes of a frame's length field.
    package static let lengthBytes = 4
    /// The bytes around a body that the length counts: the type before it, the checksum after it.
    package static let overheadBytes = 5
    /// The longest frame read before a connection is established (its length field's value).
    package static let handshakeFrameBytes = 1024
    /// The longest cluster name and refusal text, in bytes of UTF-8.
    package static let textBytes = 512
    /// Terms and indexes over this are refused, so that later sums cannot overflow.
    package static let largestNumber: UInt64 = 1 << 62
    /// The most entries in one AppendEntries.
    package static let entryCount = 1 << 18
    /// The most commands in one forwarded batch.
    package static let proposalCount = 1 << 16
}
