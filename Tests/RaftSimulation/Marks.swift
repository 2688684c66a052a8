/// How often the rare and important things happened. A simulator that never gets there proves
/// nothing.
package struct Marks: Sendable {
    /// By ``Mark``: how often.
    private var counts = [Int](repeating: 0, count: Mark.allCases.count)
    /// By ``Mark``: in how many seeds.
    private var seeds = [Int](repeating: 0, count: Mark.allCases.count)
    /// Events of virtual time, turns of nodes, entries committed.
    package var events = 0
    package var turns = 0
    package var commits = 0
    package var operations = 0
    /// Latches in the clients' histories; those that the checker searched whole; and those of
    /// which it searched the beginning.
    package var latches = 0
    package var searchedLatches = 0
    package var searchedBeginnings = 0
    /// Latches, or beginnings of one, whose history the checker could not decide within its budget.
    package var undecidedHistories = 0

    package init() {}

    package func count(_ mark: Mark) -> Int { counts[mark.position] }
    package func seedCount(_ mark: Mark) -> Int { seeds[mark.position] }

    mutating func note(_ mark: Mark, _ count: Int = 1) {
        counts[mark.position] += count
        if count > 0 { seeds[mark.position] = 1 }
    }

    package mutating func add(_ other: Marks) {
        for position in counts.indices {
            counts[position] += other.counts[position]
            seeds[position] += other.seeds[position]
        }
        events += other.events
        turns += other.turns
        commits += other.commits
        operations += other.operations
        latches += other.latches
        searchedLatches += other.searchedLatches
        searchedBeginnings += other.searchedBeginnings
        undecidedHistories += other.undecidedHistories
    }

    /// Declared marks that no seed reached.
    package var unreached: [Mark] { Mark.allCases.filter { count($0) == 0 } }

    /// Why `count` seeds without a violation prove less than they should, if they do: one history
    /// in two hundred is not decided, or one mark in twenty is not reached. Few seeds cannot tell.
    /// Usually it is one history in two thousand; the search has a second for each, and a busy
    /// machine leaves it less.
    package func weakness(of count: Int) -> String? {
        guard count >= 10_000 else { return nil }
        if undecidedHistories * 200 >= latches {
            return "of the histories of \(latches) latches \(undecidedHistories) are undecided"
        }
        guard unreached.count * 20 > Mark.allCases.count else { return nil }
        return "\(unreached.count) of \(Mark.allCases.count) marks are not reached"
    }
}
