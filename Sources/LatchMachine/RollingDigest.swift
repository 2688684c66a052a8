/// A 64-bit digest of everything applied so far: nodes compare it at equal indexes (I8, I21).
///
/// Each step is `mix(state ^ word)` with `mix(x)`: multiply by an odd constant and fold the high
/// half onto the low one, twice. Every step is a bijection of the word, so one differing word
/// always shows at once. It finds accidents and divergence; it is no defence against forgery.
struct RollingDigest: Hashable, Sendable {
    private(set) var value: UInt64

    init(_ value: UInt64 = 0x6C61_7463_6864_3031) {
        self.value = value
    }

    mutating func fold(_ word: UInt64) {
        var x = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
        x ^= x >> 32
        x = x &* 0xD6E8_FEB8_6659_FD93
        value = x ^ (x >> 32)
    }

    mutating func fold(_ number: Int) {
        fold(UInt64(bitPattern: Int64(number)))
    }

    mutating func fold(_ flag: Bool) {
        fold(flag ? 1 : 0 as UInt64)
    }

    /// The bytes' count, then the bytes as little-endian words, the last one padded with zeros.
    mutating func fold(_ bytes: UnsafeRawBufferPointer) {
        fold(bytes.count)
        var offset = 0
        while bytes.count - offset >= 8 {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            fold(UInt64(littleEndian: word))
            offset += 8
        }
        guard offset < bytes.count else { return }
        var tail: UInt64 = 0
        for position in (offset..<bytes.count).reversed() {
            tail = tail << 8 | UInt64(bytes[position])
        }
        fold(tail)
    }

    mutating func fold(_ text: String) {
        text.withBytes { fold($0) }
    }

    mutating func fold(_ name: PrimitiveName) {
        fold(name.namespace)
        fold(name.name)
    }
}
