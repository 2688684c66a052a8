/// What a latch is called: any text in either part, at most 1024 bytes of UTF-8 each.
struct LatchName: Hashable, Sendable {
    let namespace: String
    let name: String

    static let longest = 1_024

    /// - Throws: ``LatchError`` (`invalidArgument`) for a part that is too long, or an empty name.
    init(checking name: String, namespace: String) throws {
        guard !name.isEmpty else { throw LatchError(.invalidArgument, "the name is empty") }
        try Self.check(name, "the name")
        try Self.check(namespace, "the namespace")
        self.namespace = namespace
        self.name = name
    }

    /// A name that a node told.
    init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    static func check(_ text: String, _ what: String) throws {
        let count = text.utf8.count
        guard count <= longest else {
            throw LatchError(
                .invalidArgument, "\(what) has \(count) bytes; at most \(longest) are allowed")
        }
    }
}
