/// When each log index was applied, as far as the clients' clock tells.
///
/// Entry i was applied after every call with an index up to i was sent, and before every answer
/// with an index from i on came.
struct TimeBounds: Sendable {
    private var indexes: [UInt64] = []
    /// The latest invocation up to here.
    private var notBefore: [UInt64] = []
    /// The earliest answer from here on.
    private var notAfter: [UInt64] = []

    init(_ partitions: [Partition]) {
        var points: [(index: UInt64, invoked: UInt64, returned: UInt64)] = []
        for partition in partitions {
            for step in partition.steps where step.index > 0 {
                // A frame may come at any time after its entry; it says nothing of the time before.
                if case .frame = step.action {
                    points.append((step.index, 0, step.returned))
                } else {
                    points.append((step.index, step.invoked, step.returned))
                }
            }
        }
        points.sort { $0.index < $1.index }
        var latest: UInt64 = 0
        for point in points {
            latest = max(latest, point.invoked)
            if indexes.last == point.index {
                notBefore[notBefore.count - 1] = latest
                notAfter[notAfter.count - 1] = min(notAfter[notAfter.count - 1], point.returned)
            } else {
                indexes.append(point.index)
                notBefore.append(latest)
                notAfter.append(point.returned)
            }
        }
        var earliest = UInt64.max
        for position in notAfter.indices.reversed() {
            earliest = min(earliest, notAfter[position])
            notAfter[position] = earliest
        }
    }

    /// The bounds of an index that an answer carries.
    func bounds(of index: UInt64) -> (notBefore: UInt64, notAfter: UInt64) {
        var low = 0
        var high = indexes.count
        while low < high {
            let middle = (low + high) / 2
            if indexes[middle] < index { low = middle + 1 } else { high = middle }
        }
        guard low < indexes.count else { return (0, .max) }
        return (notBefore[low], notAfter[low])
    }
}
