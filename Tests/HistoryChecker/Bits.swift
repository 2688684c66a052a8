/// A set of small numbers. Equal sets are equal values, however they came about.
struct Bits: Hashable, Sendable {
    /// Invariant: the last word is not 0.
    private var words: [UInt64] = []

    func contains(_ number: Int) -> Bool {
        let word = number >> 6
        return word < words.count && words[word] & (1 << UInt64(number & 63)) != 0
    }

    mutating func insert(_ number: Int) {
        let word = number >> 6
        while words.count <= word { words.append(0) }
        words[word] |= 1 << UInt64(number & 63)
    }

    mutating func formUnion(_ other: Bits) {
        while words.count < other.words.count { words.append(0) }
        for (position, word) in other.words.enumerated() { words[position] |= word }
    }

    func isSubset(of other: Bits) -> Bool {
        words.count <= other.words.count
            && zip(words, other.words).allSatisfy { $0 & ~$1 == 0 }
    }

    /// What the words take in memory, without their array's header.
    var bytes: Int { words.count * MemoryLayout<UInt64>.stride }

    /// Ascending.
    var numbers: [Int] {
        words.enumerated().flatMap { position, word in
            (0..<64).filter { word & (1 << UInt64($0)) != 0 }.map { position << 6 + $0 }
        }
    }
}
