/// Where commands of unknown outcome can have their place: a session's commands take effect in the
/// order of their request ids (Q3), so each lies between two answered ones, or never took effect.
struct SessionOrder: Sendable {
    /// For each command of unknown outcome, the steps of the answered commands next to it.
    private var neighbours: [(before: Int?, after: Int?)] = []
    /// For each step that is a sequenced command, the one before it in its session.
    private var predecessors: [Int: Int] = [:]

    /// `steps` are numbered by their place in the array.
    init(_ unknowns: [Partition.UnknownCommand], _ steps: [Partition.Step]) {
        var sessions: [Int: [(request: UInt64, step: Int)]] = [:]
        for (number, step) in steps.enumerated() where step.requestID > 0 {
            guard case .command(let move, _) = step.action, let session = move.session else {
                continue
            }
            sessions[session, default: []].append((step.requestID, number))
        }
        for session in sessions.keys {
            sessions[session]?.sort { $0.request < $1.request }
            let commands = sessions[session] ?? []
            for (first, second) in zip(commands, commands.dropFirst()) {
                predecessors[second.step] = first.step
            }
        }
        neighbours = unknowns.map { unknown in
            guard unknown.requestID > 0, let session = unknown.move.session,
                let commands = sessions[session]
            else { return (nil, nil) }
            let before = commands.last { $0.request < unknown.requestID }
            let after = commands.first { $0.request > unknown.requestID }
            return (before?.step, after?.step)
        }
    }

    /// The commands of unknown outcome that cannot take effect where these steps have.
    func barred(_ isPlaced: (Int) -> Bool) -> Bits {
        var barred = Bits()
        for (number, neighbours) in neighbours.enumerated() {
            let isEarly = neighbours.before.map { !isPlaced($0) } ?? false
            let isLate = neighbours.after.map(isPlaced) ?? false
            if isEarly || isLate { barred.insert(number) }
        }
        return barred
    }

    /// The command that must have taken effect before a step.
    func predecessor(of step: Int) -> Int? { predecessors[step] }
}
