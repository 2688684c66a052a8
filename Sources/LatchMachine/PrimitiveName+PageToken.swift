extension PrimitiveName {
    /// Where a list of latches goes on, for a wire or a URL: the count of the namespace's UTF-8
    /// bytes, a colon, namespace and name.
    package var pageToken: String { "\(namespace.utf8.count):\(namespace)\(name)" }

    /// Nil if it is no page token.
    package init?(pageToken: String) {
        let parts = pageToken.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let count = Int(parts[0]),
            (0...parts[1].utf8.count).contains(count),
            let namespace = String(Substring(parts[1].utf8.prefix(count)).utf8),
            let name = String(Substring(parts[1].utf8.dropFirst(count)).utf8)
        else { return nil }
        self.init(namespace: namespace, name: name)
    }
}
