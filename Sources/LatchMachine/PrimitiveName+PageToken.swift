extension PrimitiveName {
    /// Where a list of latches goes on, for a wire or a URL: the count of the namespace's UTF-8
    /// bytes, a colon, namespace and name.
    package var pageToken: String { "\(namespace.utf8.count):\(namespace)\(name)" }

    /// Nil if it is no page token, or names what no latch is called: parts of more than
    /// ``Limits/nameBytes``.
    package init?(pageToken: String) {
        let parts = pageToken.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let count = Int(parts[0]),
            (0...parts[1].utf8.count).contains(count), count <= Limits.nameBytes,
            parts[1].utf8.count - count <= Limits.nameBytes
        else { return nil }
        self.init(
            namespace: String(Substring(parts[1].utf8.prefix(count))),
            name: String(Substring(parts[1].utf8.dropFirst(count))))
        // A count in other digits, or one that ends within a character, is none of ours.
        guard self.pageToken.utf8.elementsEqual(pageToken.utf8) else { return nil }
    }
}
