import RaftCore
import Testing

@Suite("CheckQuorum (thesis §6.2)")
struct CheckQuorumTests {
    @Test("a leader that hears no majority for an election timeout steps down (C3, N4, M24)")
    func isolatedLeader() throws {
        var server = try TestServer.servingLeader()
        for _ in 0..<11 { server.wait(milliseconds: 50) }
        #expect(server.raft.role == .leader)
        server.wait(milliseconds: 50)
        #expect(server.raft.role == .follower)
        #expect(server.raft.currentTerm == Term(1))
        #expect(server.raft.leader == nil)
    }

    @Test("a leader that hears a majority stays")
    func connectedLeader() throws {
        var server = try TestServer.servingLeader()
        for _ in 0..<40 {
            server.wait(milliseconds: 50)
            server.acknowledge(through: 1, from: TestServer.three)
        }
        #expect(server.raft.role == .leader)
    }

    @Test(
        "a leader that was paused takes nothing before it has checked (T4)", arguments: [0, 1, 2])
    func pausedLeader(kind: Int) throws {
        var server = try TestServer.servingLeader()
        server.now = server.now.advanced(byMilliseconds: 60_000)
        switch kind {
        case 0:
            let fates = server.propose([1]).proposals
            #expect(fates.map(\.result) == [.refused(.notLeader(leader: nil))])
        case 1:
            let grants = server.step(.read(ReadID(1))).reads
            #expect(grants.map(\.result) == [.refused(.notLeader(leader: nil))])
        default:  // default: open set, an Int
            server.step(.timerFired)
        }
        #expect(server.raft.role == .follower)
    }

    @Test("the clock may jump to its end without a trap")
    func farFuture() throws {
        for var server in [try TestServer.servingLeader(), try TestServer.follower()] {
            server.now = Instant(milliseconds: .max)
            server.step(.timerFired)
            server.step(.timerFired)
            #expect(server.raft.role != .leader)
        }
    }

    @Test("the clock never runs backwards for a server")
    func backwards() throws {
        var server = try TestServer.follower()
        let deadline = server.raft.deadline
        server.now = Instant(milliseconds: 0)
        server.step(.timerFired)
        #expect(server.raft.deadline == deadline)
    }
}
