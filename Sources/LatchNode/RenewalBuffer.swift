import LatchMachine
import RaftCore

/// Folds keep-alives that arrive close together into one entry.
struct RenewalBuffer {
    private var renewals: [SessionID: (renewal: Renewal, sinks: [any ReplySink])] = [:]
    /// When the entry is due; nil while there is nothing to renew.
    private(set) var due: Instant?

    /// Keep-alives that wait.
    var count: Int { renewals.count }

    /// Adds one. A later keep-alive of the same session replaces the earlier one: it acknowledges
    /// at least as much.
    mutating func add(_ renewal: Renewal, _ sink: any ReplySink, due: Instant) {
        renewals[renewal.session, default: (renewal, [])].renewal = renewal
        renewals[renewal.session]?.sinks.append(sink)
        if self.due == nil { self.due = due }
    }

    /// Takes up to `limit`, ascending by session, with those who wait for each.
    mutating func take(limit: Int) -> (renewals: [Renewal], sinks: [[any ReplySink]]) {
        let sessions = renewals.keys.sorted().prefix(limit)
        var taken: (renewals: [Renewal], sinks: [[any ReplySink]]) = ([], [])
        for session in sessions {
            guard let value = renewals.removeValue(forKey: session) else { continue }
            taken.renewals.append(value.renewal)
            taken.sinks.append(value.sinks)
        }
        if renewals.isEmpty { due = nil }
        return taken
    }
}
