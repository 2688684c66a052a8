/// Why a transport could not start.
package enum PeerTransportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The address for peers cannot be listened on.
    case cannotListen(host: String, port: Int, reason: String, advice: String)
    /// `start()` was called twice, or after `shutdown()`.
    case alreadyStarted

    package var description: String {
        switch self {
        case .cannotListen(let host, let port, let reason, let advice):
            "cannot listen for peers on \(host):\(port): \(reason); \(advice)"
        case .alreadyStarted:
            "a peer transport starts once"
        }
    }
}
