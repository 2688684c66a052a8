import BinaryCoding

/// Computes the checksums of one direction of one connection.
///
/// After the handshake a checksum also covers both sides' nonces, the direction and the frame's
/// number, so bytes recorded from another connection, repeated, dropped or out of order fail it.
/// It detects accidents and stale bytes; it does not authenticate (CRCs can be forged).
package struct FrameSeal: Sendable {
    /// Which way the frames flow.
    package enum Direction: UInt8, Sendable {
        case fromDialler = 1
        case fromListener = 2
    }

    private let base: CRC32C
    private var nextNumber: UInt64?

    /// For the handshake's own frames: a plain CRC32C over type and body.
    package static var unbound: FrameSeal { FrameSeal(base: CRC32C(), nextNumber: nil) }

    private init(base: CRC32C, nextNumber: UInt64?) {
        self.base = base
        self.nextNumber = nextNumber
    }

    /// For the frames after the handshake, the first of which has number 0.
    package init(diallerNonce: UInt64, listenerNonce: UInt64, direction: Direction) {
        var base = CRC32C()
        base.update(diallerNonce)
        base.update(listenerNonce)
        base.update(direction.rawValue)
        self.init(base: base, nextNumber: 0)
    }

    /// The checksum of the next frame, whose type and body are `bytes`.
    package mutating func next(over bytes: UnsafeRawBufferPointer) -> UInt32 {
        var crc = base
        if let number = nextNumber {
            crc.update(number)
            nextNumber = number &+ 1
        }
        crc.update(bytes)
        return crc.value
    }
}
