package import LatchMachine
import LatchNode
import NIOCore

/// What one node saw of its latches' terms: counts by cause, failover gaps, and the newest changes
/// for the timeline.
///
/// Belongs to the node's loop, like the node that calls it. A node that starts applies old entries
/// anew: terms that began before this process are not counted.
package final class TermMeter: TermObserver, @unchecked Sendable {
    /// One line of the timeline: a term that began, or one that ended with nobody waiting.
    struct Change: Sendable {
        /// Counts from 1.
        let number: UInt64
        let name: PrimitiveName
        let record: TermRecord
        /// The term ended, and nobody held the latch then.
        let isEnd: Bool
    }

    /// The numbers, copied.
    struct Reading: Sendable {
        /// Terms that began, by their cause.
        var terms: [Cause: UInt64] = [:]
        /// From the last sign of life of the holder before to the grant, for terms that followed an
        /// expired one. Milliseconds.
        var gaps = Histogram(bounds: Histogram.millisecondBounds)
        /// How long a holder that was thrown out may have gone on believing. Milliseconds.
        var overlaps = Histogram(bounds: Histogram.millisecondBounds)
        /// Oldest first.
        var changes: [Change] = []
    }

    private let startedAt: UInt64
    private var reading = Reading()
    private var count: UInt64 = 0

    /// - Parameter startedAt: the wall clock when the process began, in milliseconds since 1970.
    package init(startedAt: UInt64) {
        self.startedAt = startedAt
    }

    package func termBegan(_ record: TermRecord, of name: PrimitiveName) {
        append(Change(number: count + 1, name: name, record: record, isEnd: false))
        guard record.began.wallTimeMilliseconds >= startedAt else { return }
        reading.terms[record.began.cause, default: 0] &+= 1
        switch record.began.cause {
        case .expired:
            reading.gaps.record(record.gapMilliseconds)
        case .evicted, .handedOver:
            reading.overlaps.record(record.overlapBoundMilliseconds)
        case .joined, .resigned, .closed, .deleted, .restored:
            break
        }
    }

    package func termEnded(_ record: TermRecord, of name: PrimitiveName) {
        append(Change(number: count + 1, name: name, record: record, isEnd: true))
    }

    private static let changesKept = 512

    private func append(_ change: Change) {
        count = change.number
        if reading.changes.count >= Self.changesKept {
            reading.changes.removeFirst(Self.changesKept / 4)
        }
        reading.changes.append(change)
    }

    /// A copy of the numbers, taken on the node's loop.
    func read(on loop: any EventLoop) async throws -> Reading {
        try await loop.submit { [self] in reading }.get()
    }
}
