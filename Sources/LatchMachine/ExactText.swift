/// Text compared by its UTF-8 bytes. Replicated state never compares text in any other way.
struct ExactText: Hashable, Sendable {
    let text: String

    init(_ text: String) {
        self.text = text
    }

    static func == (left: Self, right: Self) -> Bool {
        left.text.hasSameBytes(as: right.text)
    }

    func hash(into hasher: inout Hasher) {
        text.hashBytes(into: &hasher)
    }
}

extension String {
    /// Whether both texts are the same bytes: unlike `==`, composed and decomposed accents differ.
    func hasSameBytes(as other: String) -> Bool {
        guard utf8.count == other.utf8.count else { return false }
        return withBytes { mine in other.withBytes { theirs in equal(mine, theirs) } }
    }

    /// Feeds the bytes and their count.
    func hashBytes(into hasher: inout Hasher) {
        withBytes { hasher.combine(bytes: $0) }
        hasher.combine(utf8.count)
    }

    /// Runs `body` with the UTF-8 bytes, without a copy where the text is stored in one piece.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        utf8.withContiguousStorageIfAvailable { body(UnsafeRawBufferPointer($0)) }
            ?? Array(utf8).withUnsafeBytes(body)
    }
}

/// Whether two regions of equal size hold the same bytes, compared eight at a time.
private func equal(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    var offset = 0
    while left.count - offset >= 8 {
        let mine = left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        let theirs = right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        guard mine == theirs else { return false }
        offset += 8
    }
    while offset < left.count {
        guard left[offset] == right[offset] else { return false }
        offset += 1
    }
    return true
}
