/// A partial partition: which directions are silent, depending on who leads when it is imposed.
package struct Topology: Sendable {
    package let name: String
    package let size: Int
    /// The links come and go, so that any node may lead.
    var flaps = false
    /// Silent directions at a moment (milliseconds since it was imposed); `order` has the leader
    /// first.
    let silent: @Sendable (_ order: [Int], _ milliseconds: Int) -> [Direction]

    private static func link(_ one: Int, _ other: Int) -> [Direction] {
        [Direction(one, other), Direction(other, one)]
    }

    private static func fixed(
        _ name: String, size: Int = 3, _ silent: @escaping @Sendable ([Int]) -> [Direction]
    ) -> Topology {
        Topology(name: name, size: size) { order, _ in silent(order) }
    }

    private static func flapping(
        _ name: String, period: Int, _ silent: @escaping @Sendable ([Int]) -> [Direction]
    ) -> Topology {
        Topology(name: name, size: 3, flaps: true) { order, time in
            time / period % 2 == 0 ? silent(order) : []
        }
    }

    /// A node with the links that are left can hear and be heard by a majority.
    static func canLead(_ id: Int, of ids: [Int], silent: [Direction]) -> Bool {
        let cut = Set(silent)
        let reachable = ids.filter { other in
            other == id
                || (!cut.contains(Direction(id, other)) && !cut.contains(Direction(other, id)))
        }
        return reachable.count > ids.count / 2
    }

    /// The twelve of the goal.
    package static let all: [Topology] = [
        fixed("bridge, the leader in the middle") { link($0[1], $0[2]) },
        fixed("bridge, the leader at the end") { link($0[0], $0[2]) },
        fixed("one-way: leader to one follower lost") { [Direction($0[0], $0[1])] },
        fixed("one-way: one follower to the leader lost") { [Direction($0[1], $0[0])] },
        fixed("one-way: all from the leader lost") {
            [Direction($0[0], $0[1]), Direction($0[0], $0[2])]
        },
        fixed("one-way: all to the leader lost") {
            [Direction($0[1], $0[0]), Direction($0[2], $0[0])]
        },
        fixed("isolated leader") { link($0[0], $0[1]) + link($0[0], $0[2]) },
        flapping("flapping, leader and follower, 1 s", period: 1_000) { link($0[0], $0[1]) },
        flapping("flapping, leader and follower, 150 ms", period: 150) { link($0[0], $0[1]) },
        flapping("flapping, between the followers, 400 ms", period: 400) { link($0[1], $0[2]) },
        fixed("five: bridge, two and two over one", size: 5) { order in
            [order[0], order[1]].flatMap { one in [order[3], order[4]].flatMap { link(one, $0) } }
        },
        fixed("five: chain, the leader at its end", size: 5) { order in
            (0..<5).flatMap { one in
                (0..<5).filter { $0 > one + 1 }.flatMap { link(order[one], order[$0]) }
            }
        },
    ]
}
