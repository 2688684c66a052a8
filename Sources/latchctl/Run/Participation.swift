import LatchClient

/// Taking part in a latch for one attempt of `latchctl run`.
struct Participation: Sendable {
    private let cluster: LatchCluster
    private let held: Held
    private let name: String
    private let namespace: String
    private let participant: String
    private let ttl: Duration

    init(plan: RunSession.Plan, cluster: LatchCluster, held: Held) {
        self.cluster = cluster
        self.held = held
        name = plan.name
        namespace = plan.namespace
        participant = plan.participant
        ttl = plan.rules.budget.ttl
    }

    /// Joins, and tells what becomes of that until the end or until cancelled.
    func follow(_ tell: @Sendable (RunCore.Input) -> Void) async {
        do {
            let hold = try await cluster.hold(
                name, namespace: namespace, participant: participant, ttl: ttl)
            held.set(hold)
            for await state in hold.states {
                if let input = input(state) { tell(input) }
            }
        } catch let error as LatchError {
            tell(.refused(explain(error), isWorthRetrying: error.isWorthAnotherAttempt))
        } catch {
            tell(.refused("\(error)", isWorthRetrying: false))
        }
    }

    private func input(_ state: HoldState) -> RunCore.Input? {
        switch state {
        case .waiting(let position, let holder): .queued(position: position, holder: holder)
        case .holding(let grant): .holding(RunGrant(grant))
        case .lost(let reason): .lost(reason.description)
        case .left: nil
        }
    }
}
