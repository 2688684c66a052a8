import GRPCCore

/// What one failed attempt means for the call.
enum CallVerdict {
    /// Another node, or the same one later, may do it.
    case retry(LatchError.Code, reason: String)
    /// It will not get better.
    case fail(LatchError)
    case cancelled

    /// Judges what an attempt threw.
    init(_ error: any Error) {
        switch error {
        case let refusal as Refusal:
            self = CallVerdict(refusal)
        case let rpc as RPCError:
            self = CallVerdict(rpc)
        case let error as LatchError:
            self = .fail(error)
        case is CancellationError:
            self = .cancelled
        default:  // default: open set (errors)
            self = .retry(.unreachable, reason: "\(error)")
        }
    }

    private init(_ refusal: Refusal) {
        self =
            refusal.reason.isWorthRetrying
            ? .retry(refusal.reason.code, reason: refusal.message)
            : .fail(LatchError(refusal.reason.code, refusal.message))
    }

    private init(_ error: RPCError) {
        // A reason that this version does not know says less than the status.
        if let refusal = Refusal(trailers: error.metadata), refusal.reason.isKnown {
            self = CallVerdict(refusal)
            return
        }
        switch error.code {
        case .invalidArgument, .outOfRange:
            self = .fail(LatchError(.invalidArgument, error.message))
        case .notFound:
            self = .fail(LatchError(.notFound, error.message))
        case .unimplemented:
            self = .retry(.refused, reason: "does not serve this call (is it a latchd?)")
        case .permissionDenied, .unauthenticated, .failedPrecondition, .alreadyExists:
            self = .fail(LatchError(.refused, "\(error.code): \(error.message)"))
        case .resourceExhausted:
            self = .retry(.overloaded, reason: error.message)
        case .deadlineExceeded:
            self = .retry(.unreachable, reason: "no answer in time")
        default:  // default: open set (status codes)
            self = .retry(.unreachable, reason: plainReason(error))
        }
    }
}

/// Whether a node whose answer was this error may have done what it was asked, or may do it yet.
func mayBeDone(after error: any Error) -> Bool {
    if let refusal = error as? Refusal { return refusal.reason.leavesOpen }
    guard let rpc = error as? RPCError else { return true }
    if let refusal = Refusal(trailers: rpc.metadata) { return refusal.reason.leavesOpen }
    return rpc.code != .unimplemented && failureToConnect(innermostReason(rpc)) == nil
}

/// The innermost cause is what a person can act on: "connection refused", not
/// "channel isn't ready".
func plainReason(_ error: RPCError) -> String {
    let reason = innermostReason(error)
    if let plain = failureToConnect(reason) { return plain }
    if reason.contains("onnection reset") { return "connection reset" }
    if reason.contains("UnableToParseFrame") {
        return "this port does not speak gRPC (is it the node's client port?)"
    }
    return reason.isEmpty ? "\(error.code)" : reason
}

private func innermostReason(_ error: RPCError) -> String {
    var reason = error.message
    var cause: (any Error)? = error.cause
    while let current = cause {
        if let inner = current as? RPCError {
            reason = inner.message
            cause = inner.cause
        } else {
            reason = "\(current)"
            cause = nil
        }
    }
    return reason
}

/// Why there was no connection to ask on, so that nothing was asked; nil for any other reason.
private func failureToConnect(_ reason: String) -> String? {
    let signs = [
        ("onnection refused", "connection refused (is latchd running there?)"),
        ("connectTimeout", "no connection in time"), ("onnect timeout", "no connection in time"),
        ("o route to host", "no route to host"),
        ("nresolvable", "the name cannot be resolved"),
        ("ailed to resolve", "the name cannot be resolved"),
    ]
    return signs.first { reason.contains($0.0) }?.1
}
