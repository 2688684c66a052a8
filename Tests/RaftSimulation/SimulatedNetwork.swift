import RaftCore

/// The links between the servers: which are cut, and what becomes of a message on the others.
struct SimulatedNetwork: Sendable {
    let options: SwarmOptions.Network
    private let count: Int
    /// Cut links, in one direction each: `from * count + to`.
    private var cut: [Bool]
    /// Ordered links: nothing arrives before this.
    private var lastArrival: [UInt64]
    private(set) var isHealed = false
    /// When the last message of the time of faults arrives, of those that go their own way and are
    /// not kept back.
    private(set) var lastStraggler: UInt64 = 0
    /// Grows with every change of the cuts, so that a late heal does not undo a newer partition.
    private(set) var epoch = 0

    init(count: Int, options: SwarmOptions.Network) {
        self.count = count
        self.options = options
        cut = Array(repeating: false, count: count * count)
        lastArrival = Array(repeating: 0, count: count * count)
    }

    func isCut(from: Int, to: Int) -> Bool { cut[from * count + to] }

    /// Whether both directions work, as a connection needs.
    func isPassable(_ one: Int, _ other: Int) -> Bool {
        !isCut(from: one, to: other) && !isCut(from: other, to: one)
    }

    /// When the copies of a message sent now arrive: none, one or two of them.
    mutating func arrivals(
        from: Int, to: Int, at now: UInt64, _ generator: inout SeededGenerator
    ) -> [UInt64] {
        guard !isCut(from: from, to: to) else { return [] }
        if isHealed { return [now + generator.draw(from: 1...3)] }
        guard !generator.happens(permille: options.lossPermille) else { return [] }
        let copies = generator.happens(permille: options.duplicationPermille) ? 2 : 1
        var arrivals: [UInt64] = []
        for _ in 0..<copies {
            if generator.happens(permille: options.stragglePermille) {
                arrivals.append(now + generator.draw(from: options.straggleDelayMilliseconds))
                continue
            }
            var time = now + generator.draw(from: options.delayMilliseconds)
            if options.isOrdered {
                time = max(time, lastArrival[from * count + to])
                lastArrival[from * count + to] = time
            }
            arrivals.append(time)
        }
        lastStraggler = arrivals.reduce(lastStraggler, max)
        return arrivals
    }

    mutating func healCuts() {
        for link in cut.indices { cut[link] = false }
        epoch += 1
    }

    /// No more faults: short delays, no loss, for good.
    mutating func healForGood() {
        healCuts()
        isHealed = true
    }

    mutating func cut(from: Int, to: Int) {
        cut[from * count + to] = true
        epoch += 1
    }

    /// Cuts the links of one server with all others.
    mutating func cutOff(_ victim: Int, hears: Bool = false, isHeard: Bool = false) {
        for other in 0..<count where other != victim {
            if !hears { cut(from: other, to: victim) }
            if !isHeard { cut(from: victim, to: other) }
        }
    }

    /// Cuts at random: a split, a lone server, one direction, or a bridge (two that see only a
    /// third).
    mutating func partition(_ generator: inout SeededGenerator) -> (words: String, mark: Mark) {
        healCuts()
        let victim = generator.below(count)
        let others = (0..<count).filter { $0 != victim }
        switch generator.below(6) {
        case 0:
            cutOff(victim)
            return ("isolates \(victim + 1)", .isolated)
        case 1:
            cutOff(victim, isHeard: true)
            return ("\(victim + 1) hears nobody", .deaf)
        case 2:
            cutOff(victim, hears: true)
            return ("nobody hears \(victim + 1)", .mute)
        case 3:
            // A bridge: only the victim sees both sides.
            for left in others.indices {
                for right in others.indices where left % 2 == 0 && right % 2 == 1 {
                    cutBoth(others[left], others[right])
                }
            }
            return ("makes \(victim + 1) a bridge", .bridge)
        case 4:
            let side = (0..<count).map { _ in generator.happens(permille: 500) }
            for one in 0..<count {
                for other in 0..<count where side[one] != side[other] { cutBoth(one, other) }
            }
            return ("splits \(side.indices.filter { side[$0] }.map { $0 + 1 })", .split)
        default:
            for _ in 0..<count {
                cut(from: generator.below(count), to: generator.below(count))
            }
            return ("cuts random links", .split)
        }
    }

    private mutating func cutBoth(_ one: Int, _ other: Int) {
        cut(from: one, to: other)
        cut(from: other, to: one)
    }
}
