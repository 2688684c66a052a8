import LatchMachine
import RaftCore

/// Folds keep-alives that arrive close together into one entry.
struct RenewalBuffer {
    private struct Key: Hashable, Comparable {
        let session: SessionID
        let primitive: PrimitiveName

        static func < (left: Self, right: Self) -> Bool {
            left.session == right.session
                ? left.primitive < right.primitive : left.session < right.session
        }
    }

    /// Keep-alives and bytes in one entry, at most.
    private static let maximumCount = 1_024
    private static let maximumBytes = 256 << 10

    private var renewals: [Key: (renewal: Renewal, sinks: [any ReplySink])] = [:]
    /// When the entry is due; nil while there is nothing to renew.
    private(set) var due: Instant?

    /// There is enough for a full entry: it goes before it is due.
    var isFull: Bool { renewals.count >= Self.maximumCount }

    /// Adds one. Of two of the same session the one that acknowledges more counts.
    mutating func add(_ renewal: Renewal, _ sink: any ReplySink, due: Instant) {
        let key = Key(session: renewal.session, primitive: renewal.primitive)
        if let present = renewals[key]?.renewal {
            if renewal.acknowledgedRequestID >= present.acknowledgedRequestID {
                renewals[key]?.renewal = renewal
            }
            renewals[key]?.sinks.append(sink)
        } else {
            renewals[key] = (renewal, [sink])
        }
        if self.due == nil { self.due = due }
    }

    /// One entry's keep-alives, ascending, with those who wait for each.
    typealias Batch = (renewals: [Renewal], sinks: [[any ReplySink]])

    /// Takes everything, in batches that each fit into one entry.
    mutating func takeAll() -> [Batch] {
        var batches: [Batch] = []
        var batch: Batch = ([], [])
        var bytes = 0
        for key in renewals.keys.sorted() {
            guard let value = renewals[key] else { continue }
            batch.renewals.append(value.renewal)
            batch.sinks.append(value.sinks)
            bytes += value.renewal.approximateBytes
            if batch.renewals.count >= Self.maximumCount || bytes >= Self.maximumBytes {
                batches.append(batch)
                batch = ([], [])
                bytes = 0
            }
        }
        if !batch.renewals.isEmpty { batches.append(batch) }
        renewals = [:]
        due = nil
        return batches
    }

    /// Takes every caller; nothing of theirs was proposed.
    mutating func removeAll() -> [any ReplySink] {
        let sinks = renewals.keys.sorted().flatMap { renewals[$0]?.sinks ?? [] }
        renewals = [:]
        due = nil
        return sinks
    }
}

extension Renewal {
    fileprivate var approximateBytes: Int {
        48 + primitive.namespace.utf8.count + primitive.name.utf8.count + 16 * streams.count
    }
}
