import RaftCore

/// One command of a scenario.
struct ScenarioCommand {
    private let verb: String
    private let arguments: [String]
    private let members: [ServerID]

    init(_ verb: String, _ arguments: [String], _ members: [ServerID]) {
        self.verb = verb
        self.arguments = arguments
        self.members = members
    }

    func run(on cluster: inout ScenarioCluster) throws(Violation) {
        switch verb {
        // Time: `timeout 1` fires a timer at its deadline; `wait 500` lets time pass, telling
        // decisions only.
        case "timeout": try cluster.timeout(server(0))
        case "elect": try cluster.elect(server(0))
        case "wait": try wait(on: &cluster)
        // Messages: all until nothing moves, or those of one link.
        case "deliver": try deliver(on: &cluster)
        case "lose": cluster.lose(from: try server(0), to: try server(1))
        case "double": cluster.double(from: try server(0), to: try server(1))
        case "hold": cluster.setWaiting(from: try server(0), to: try server(1), true)
        case "release": cluster.setWaiting(from: try server(0), to: try server(1), false)
        case "partition": cluster.partition(try groups())
        case "heal": cluster.heal()
        // Disks: the writes of a slow one wait for `persist`.
        case "slow": cluster.setDisk(of: try server(0), slow: true)
        case "fast": cluster.setDisk(of: try server(0), slow: false)
        case "persist": try cluster.finishWrites(server(0))
        // Processes.
        case "crash": cluster.crash(try server(0))
        case "restart": try cluster.start(server(0))
        case "unreachable": try cluster.step(server(0), .peerUnreachable(server(1)))
        case "reachable": try cluster.step(server(0), .peerReachable(server(1)))
        // Clients.
        case "propose": try cluster.propose(text(from: 1), at: server(0))
        case "read": try cluster.read(at: server(0))
        case "transfer": try cluster.step(server(0), .transferLeadership(to: optionalServer(1)))
        case "snapshot": try cluster.takeSnapshot(at: server(0))
        case "show": cluster.show(try shown())
        default: throw Violation("scenario", "there is no command \(verb)")
        }
    }

    private func wait(on cluster: inout ScenarioCluster) throws(Violation) {
        guard let word = arguments.first, let milliseconds = UInt64(word) else {
            throw Violation("scenario", "wait how many milliseconds?")
        }
        cluster.isQuiet = true
        defer { cluster.isQuiet = false }
        try cluster.wait(milliseconds)
    }

    private func deliver(on cluster: inout ScenarioCluster) throws(Violation) {
        guard !arguments.isEmpty else { return try cluster.settle() }
        try cluster.deliver(from: server(0), to: server(1))
    }

    private func server(_ position: Int) throws(Violation) -> ServerID {
        guard arguments.indices.contains(position) else {
            throw Violation("scenario", "\(verb) needs a server")
        }
        return try member(arguments[position])
    }

    private func optionalServer(_ position: Int) throws(Violation) -> ServerID? {
        arguments.indices.contains(position) ? try server(position) : nil
    }

    private func member(_ word: String) throws(Violation) -> ServerID {
        guard let number = UInt16(word), members.contains(ServerID(number)) else {
            throw Violation("scenario", "\(word) is no server")
        }
        return ServerID(number)
    }

    private func shown() throws(Violation) -> [ServerID] {
        var shown: [ServerID] = []
        for word in arguments { shown.append(try member(word)) }
        return shown.isEmpty ? members : shown
    }

    private func text(from position: Int) -> String {
        arguments.dropFirst(position).joined(separator: " ")
    }

    /// `1 2 | 3`: servers of different groups do not hear each other.
    private func groups() throws(Violation) -> [[ServerID]] {
        var groups: [[ServerID]] = [[]]
        for word in arguments {
            if word == "|" {
                groups.append([])
            } else {
                groups[groups.count - 1].append(try member(word))
            }
        }
        return groups
    }
}
