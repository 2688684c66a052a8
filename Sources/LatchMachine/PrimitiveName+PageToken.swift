extension PrimitiveName {
    /// Where a list of latches goes on, for a wire or a URL: the count of the namespace's UTF-8
    /// bytes, a colon, namespace and name.
    package var pageToken: String { "\(namespace.utf8.count):\(namespace)\(name)" }

    /// Nil if it is no page token, or names what no latch is called: parts of more than
    /// ``Limits/nameBytes``.
    package init?(pageToken: String) {
        let bytes = pageToken.utf8
        // By bytes: a colon and an accent after it are one character.
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            let count = Int(Substring(bytes[..<colon]))
        else { return nil }
        let text = bytes[colon...].dropFirst()
        guard (0...text.count).contains(count), count <= Limits.nameBytes,
            text.count - count <= Limits.nameBytes
        else { return nil }
        self.init(
            namespace: String(Substring(text.prefix(count))),
            name: String(Substring(text.dropFirst(count))))
        // A count in other digits, or one that ends within a character, is none of ours.
        guard self.pageToken.utf8.elementsEqual(pageToken.utf8) else { return nil }
    }
}
