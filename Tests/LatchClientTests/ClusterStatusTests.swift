import Testing

@testable import LatchClient

/// Builders for statuses.
enum Sample {
    static func node(
        _ id: UInt32, role: NodeRole = .follower, term: UInt64 = 5, leader: UInt32? = 1,
        applied: UInt64 = 100, heard: [UInt32: Duration] = [:], members: UInt32 = 3
    ) -> NodeStatus {
        NodeStatus(
            cluster: "test", id: id, version: "1", role: role, isReady: leader != nil,
            uptime: .seconds(61), currentTerm: term, leaderID: leader, commitIndex: applied,
            lastApplied: applied, lastLogIndex: applied, snapshotIndex: 0, sessions: 2, latches: 1,
            stateDigest: 0xAB,
            members: (1...members).map { member in
                MemberStatus(
                    id: member, peerAddress: "n\(member):7301", clientAddress: "n\(member):7401",
                    replication: heard[member].map {
                        .init(matchIndex: 100, nextIndex: 101, pace: .replicate, sinceHeard: $0)
                    })
            })
    }

    static func answer(_ id: UInt32, _ result: Result<NodeStatus, LatchError>)
        -> ClusterStatus.Answer?
    {
        Endpoint("n\(id):7401").map { ClusterStatus.Answer(endpoint: $0, result: result) }
    }

    static func status(_ nodes: [NodeStatus]) -> ClusterStatus {
        ClusterStatus(answers: nodes.compactMap { answer($0.id, .success($0)) })
    }
}

@Suite("Health of the whole")
struct ClusterStatusTests {
    @Test("a leader that a majority follows is healthy, one silent node or not")
    func healthy() {
        let status = Sample.status([Sample.node(1, role: .leader), Sample.node(2)])
        #expect(status.health == .healthy(leader: 1))
        #expect(status.nodes.map(\.id) == [1, 2, 3])
        #expect(status.nodes[2].status == nil)
    }

    @Test("what the leader heard lately counts, even if we reach nobody else")
    func heardByTheLeader() {
        let lately = Sample.node(1, role: .leader, heard: [2: .milliseconds(50)])
        #expect(Sample.status([lately]).health == .healthy(leader: 1))
        let longAgo = Sample.node(1, role: .leader, heard: [2: .seconds(9)])
        #expect(
            Sample.status([longAgo]).health == .noQuorum(leader: 1, followers: 1, needed: 2))
    }

    @Test("a leader that does not answer leads nobody but those who were seen to follow it")
    func goneLeader() {
        // It was killed a moment ago, and one of two followers has not noticed.
        let status = Sample.status([Sample.node(2, leader: 1), Sample.node(3, leader: nil)])
        #expect(status.health == .noQuorum(leader: 1, followers: 1, needed: 2))
        let both = Sample.status([Sample.node(2, leader: 1), Sample.node(3, leader: 1)])
        #expect(both.health == .healthy(leader: 1))
    }

    @Test("a leader of an older term does not count")
    func deposedLeader() {
        let status = Sample.status([
            Sample.node(1, role: .leader, term: 5),
            Sample.node(2, role: .leader, term: 6, leader: 2),
            Sample.node(3, term: 6, leader: 2),
        ])
        #expect(status.health == .healthy(leader: 2))
        #expect(status.leader?.id == 2)
    }

    @Test("nobody leads the highest term")
    func noLeader() {
        let status = Sample.status([
            Sample.node(1, role: .follower, term: 5, leader: 3),
            Sample.node(2, role: .candidate, term: 6, leader: nil),
        ])
        #expect(status.health == .noLeader)
        #expect(ClusterStatus(answers: []).health == .unreachable)
    }

    @Test("the lag is measured against the highest committed index that anyone knows")
    func lag() {
        let status = Sample.status([
            Sample.node(1, role: .leader, applied: 120), Sample.node(2, applied: 90),
        ])
        #expect(status.nodes.map { status.lag(of: $0) } == [0, 30, nil])
    }

    @Test("a single node is its own majority")
    func single() {
        let status = Sample.status([Sample.node(1, role: .leader, members: 1)])
        #expect(status.health == .healthy(leader: 1))
    }
}
