import GRPCCore
import LatchAPI

extension ClusterStatus {
    /// Asks every endpoint, then every member that they name and that was not asked.
    static func query(_ calls: Calls) async throws -> ClusterStatus {
        var answers = await ask(calls.endpoints, calls)
        try Task.checkCancellation()
        let known = Set(answers.compactMap { (try? $0.result.get())?.id })
        let more = members(of: answers).filter { !known.contains($0.id) }
            .compactMap { Endpoint($0.clientAddress) }
            .filter { endpoint in !answers.contains { $0.endpoint == endpoint } }
        answers += await ask(more, calls)
        try Task.checkCancellation()
        return ClusterStatus(answers: answers)
    }

    /// One node's answer.
    package struct Answer: Sendable {
        package let endpoint: Endpoint
        package let result: Result<NodeStatus, LatchError>

        package init(endpoint: Endpoint, result: Result<NodeStatus, LatchError>) {
            self.endpoint = endpoint
            self.result = result
        }
    }

    private static func ask(_ endpoints: [Endpoint], _ calls: Calls) async -> [Answer] {
        await withTaskGroup(of: (Int, Answer).self) { group in
            for (place, endpoint) in endpoints.enumerated() {
                group.addTask { (place, await ask(endpoint, calls)) }
            }
            var answers: [(Int, Answer)] = []
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private static func ask(_ endpoint: Endpoint, _ calls: Calls) async -> Answer {
        do {
            let status = try await calls.status(of: endpoint)
            calls.note(endpoint, failed: false)
            return Answer(endpoint: endpoint, result: .success(status))
        } catch {
            calls.note(endpoint, failed: true)
            return Answer(endpoint: endpoint, result: .failure(error))
        }
    }

    private static func members(of answers: [Answer]) -> [MemberStatus] {
        var seen: Set<UInt32> = []
        return answers.compactMap { try? $0.result.get() }.flatMap(\.members)
            .filter { seen.insert($0.id).inserted }
    }

    /// Puts the answers together: one row a member, and one for each address that belongs to none.
    package init(answers: [Answer]) {
        var nodes: [UInt32: Node] = [:]
        for member in Self.members(of: answers) {
            nodes[member.id] = Node(
                id: member.id, endpoint: Endpoint(member.clientAddress), status: nil,
                failure: "not asked: its client address is unknown")
        }
        var strangers: [Node] = []
        for answer in answers {
            switch answer.result {
            case .success(let status):
                // The address that worked is the one to show.
                nodes[status.id] = Node(
                    id: status.id, endpoint: answer.endpoint, status: status, failure: nil)
            case .failure(let error):
                let owner = nodes.values.first { $0.endpoint == answer.endpoint }
                if let id = owner?.id {
                    if owner?.status == nil { nodes[id]?.failure = error.description }
                } else {
                    strangers.append(
                        Node(
                            id: nil, endpoint: answer.endpoint, status: nil,
                            failure: error.description))
                }
            }
        }
        self.init(nodes: nodes.values.sorted { ($0.id ?? 0) < ($1.id ?? 0) } + strangers)
    }
}

extension Calls {
    /// What the node at `endpoint` says, asked once.
    func status(of endpoint: Endpoint) async throws(LatchError) -> NodeStatus {
        do {
            let attempt = try attempt(
                at: endpoint, timeout: min(settings.attemptTimeout, settings.timeout))
            let cluster = Latchd_V1_Cluster.Client(wrapping: attempt.connection)
            return NodeStatus(try await cluster.status(.init(), options: attempt.options))
        } catch {
            switch CallVerdict(error) {
            case .retry(let code, let reason): throw LatchError(code, reason)
            case .fail(let error): throw error
            case .cancelled: throw LatchError(.unreachable, "the call was cancelled")
            }
        }
    }
}
