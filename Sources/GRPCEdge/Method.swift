/// One method of a service, registered by its path "/package.Service/Method".
package struct Method: Sendable {
    /// How many messages go which way.
    package enum Kind: Sendable {
        /// One message each way.
        case unary
        /// One message in, any number out.
        case serverStreaming
        /// Any number each way.
        case bidirectional
    }

    /// What answers a call. Runs on the call's loop and must not block.
    ///
    /// For `unary` and `serverStreaming` it runs once, with the bytes of the one request message,
    /// valid only until it returns. For `bidirectional` it runs when the call opens, with an empty
    /// buffer, and sets `Call.onMessage` and `Call.onHalfClose`.
    package typealias Handler = @Sendable (Call, UnsafeRawBufferPointer) -> Void

    /// The path, as in the `:path` header.
    package let path: String
    /// How many messages go which way.
    package let kind: Kind
    let handler: Handler
    let pathBytes: [UInt8]

    /// Makes a method; `handler` answers its calls.
    package init(_ path: String, kind: Kind, handler: @escaping Handler) {
        self.path = path
        self.kind = kind
        self.handler = handler
        pathBytes = Array(path.utf8)
    }
}

/// The methods of a server, found by the bytes of a path: no String is made for a request.
struct MethodTable: Sendable {
    let methods: [Method]

    /// The position of the method with this path.
    func index(of path: UnsafeBufferPointer<UInt8>) -> Int? {
        for index in methods.indices where methods[index].pathBytes.count == path.count {
            if methods[index].pathBytes.elementsEqual(path) { return index }
        }
        return nil
    }
}
