/// What one direction of a link does to the bytes that go through it.
package struct LinkPolicy: Hashable, Sendable {
    /// Nothing arrives, and the sender is not told: bytes wait until this ends, as packets that
    /// are sent again do.
    package var isSilent = false
    /// How much later bytes arrive.
    package var delayMilliseconds = 0
    /// Up to so much is added to the delay; bytes still arrive in order.
    package var jitterMilliseconds = 0
    /// The most bytes that pass in a second; nil: no bound. A small number is a slow reader.
    package var bytesPerSecond: Int?
    /// The next bytes are cut in half and the connection is closed behind the first half.
    package var cutsInMidFrame = false

    package init(
        isSilent: Bool = false, delayMilliseconds: Int = 0, jitterMilliseconds: Int = 0,
        bytesPerSecond: Int? = nil, cutsInMidFrame: Bool = false
    ) {
        self.isSilent = isSilent
        self.delayMilliseconds = delayMilliseconds
        self.jitterMilliseconds = jitterMilliseconds
        self.bytesPerSecond = bytesPerSecond
        self.cutsInMidFrame = cutsInMidFrame
    }

    /// Bytes go through untouched.
    package static let clear = LinkPolicy()
    package static let silent = LinkPolicy(isSilent: true)
}

/// One direction between two parties: a node's id, or 0 for all clients.
package struct Direction: Hashable, Sendable, CustomStringConvertible {
    package let from: Int
    package let to: Int

    package init(_ from: Int, _ to: Int) {
        self.from = from
        self.to = to
    }

    package static let clients = 0
    package var reversed: Direction { Direction(to, from) }
    package var description: String { "\(from)→\(to)" }
}
