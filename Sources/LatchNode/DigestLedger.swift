import RaftCore

/// Compares the state digests of all members at the same indexes (I8).
///
/// One differing peer proves only that one of two is wrong. When a majority of the cluster agrees
/// with each other and not with this node, this node is the odd one and must stop before it answers
/// anybody.
struct DigestLedger {
    enum Verdict: Equatable {
        case agreed
        /// One of two differs; too few have spoken to know which.
        case differs(from: ServerID, at: LogIndex)
        /// A majority agrees on another digest: this node has diverged.
        case diverged(at: LogIndex)
    }

    /// Indexes kept: enough for a peer that is a little behind or ahead.
    private static let kept = 64

    private let server: ServerID
    private let majority: Int
    private typealias Row = (index: LogIndex, digests: [(server: ServerID, digest: UInt64)])
    /// Ascending by index.
    private var rows: [Row] = []

    init(server: ServerID, majority: Int) {
        self.server = server
        self.majority = majority
    }

    /// Notes one server's digest and judges that index.
    mutating func note(_ digest: UInt64, of other: ServerID, at index: LogIndex) -> Verdict {
        if let position = rows.firstIndex(where: { $0.index == index }) {
            rows[position].digests.removeAll { $0.server == other }
            rows[position].digests.append((other, digest))
            return judge(rows[position])
        }
        let row: Row = (index, [(other, digest)])
        rows.insert(row, at: rows.firstIndex { $0.index > index } ?? rows.endIndex)
        if rows.count > Self.kept { rows.removeFirst() }
        return judge(row)
    }

    private func judge(_ row: Row) -> Verdict {
        guard let own = row.digests.first(where: { $0.server == server })?.digest else {
            return .agreed
        }
        let others = row.digests.filter { $0.digest != own }
        guard let first = others.first else { return .agreed }
        let largest = others.map { candidate in
            others.filter { $0.digest == candidate.digest }.count
        }.max()
        return (largest ?? 0) >= majority
            ? .diverged(at: row.index) : .differs(from: first.server, at: row.index)
    }
}
