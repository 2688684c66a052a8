/// The part of a history that is about one latch and its sessions, in numbers.
///
/// A session belongs to one latch (clarification g of the contract), so latches share nothing and
/// each can be judged alone (linearizability is local).
struct Partition: Sendable {
    /// What is known of one session from the whole history.
    struct SessionFacts: Sendable {
        let id: UInt64
        /// It was seen alive by a call sent then: it ended later (nanoseconds).
        var aliveFrom: UInt64 = 0
        /// When the last keep-alive (or Create) that was accepted was sent, plus the timeout; nil
        /// if the timeout is unknown. The session cannot have expired earlier.
        var expiresFrom: UInt64?
        /// When the first close was sent whose effect no answer places.
        var unplacedCloseFrom = UInt64.max
        /// An answer of that time says that it is over.
        var overBy = UInt64.max
        /// Whether its Create is in the history.
        var isOpenedHere = false

        /// The earliest time at which it can have ended unseen.
        var endFrom: UInt64 {
            max(aliveFrom, min(expiresFrom ?? 0, unplacedCloseFrom))
        }
    }

    /// A command whose outcome nobody was told.
    struct UnknownCommand: Sendable {
        let move: Move
        /// 0 if it is not sequenced.
        let requestID: UInt64
        let invoked: UInt64

        /// Whether it is a later command of the same session.
        func isAfter(_ other: UnknownCommand) -> Bool {
            move.session == other.move.session && other.requestID > 0
                && requestID > other.requestID
        }
    }

    struct Delete: Sendable {
        let invoked: UInt64
        /// `UInt64.max` if the outcome is unknown.
        let returned: UInt64
    }

    /// What an answered operation does to the latch or says of it.
    enum Action: Sendable {
        case open(Int)
        case alive(Int)
        case unknown(Int)
        case close(Int)
        case delete
        case command(Move, Reply)
        case read(Int?, PartitionView)
        case frame(PartitionView)
    }

    struct Step: Sendable {
        let action: Action
        let invoked: UInt64
        let returned: UInt64
        /// 0 if the answer carries none.
        let index: UInt64
        let requestID: UInt64
        /// The operation's position in the history.
        let position: Int
    }

    let latch: String
    var sessions: [SessionFacts] = []
    /// By request id, those that are not sequenced first.
    var unknowns: [UnknownCommand] = []
    /// Whether there are others than joins among them.
    var hasOtherUnknowns = false
    /// Whether there are commands, answered or not, that are no joins.
    var hasMoves = false
    var deletes: [Delete] = []
    var steps: [Step] = []
    var participants: [String] = []

    /// A latch that nobody has touched.
    var start: LatchModel {
        var model = LatchModel()
        for (session, facts) in sessions.enumerated() where !facts.isOpenedHere {
            model.opened.insert(session)
        }
        return model
    }

    /// When the deletes of unknown outcome were sent, ascending.
    var lateDeletes: [UInt64] {
        deletes.filter { $0.returned == .max }.map(\.invoked).sorted()
    }

    /// Whether a delete can have taken effect before `time` in this state: no session that it ends
    /// was seen alive later.
    func allowsDelete(of model: LatchModel, before time: UInt64) -> Bool {
        model.opened.numbers.allSatisfy {
            model.ended.contains($0) || sessions[$0].aliveFrom <= time
        }
    }

    /// The same for the replay, where what has no index has no place: closes, deletes, and
    /// commands whose answers carry none.
    var unplaced: Partition {
        var copy = self
        for step in steps {
            switch step.action {
            case .close(let session):
                copy.sessions[session].unplacedCloseFrom = min(
                    copy.sessions[session].unplacedCloseFrom, step.invoked)
            case .command(_, .denied): break
            case .command(let move, _) where step.index == 0:
                copy.unknowns.append(
                    UnknownCommand(
                        move: move, requestID: step.requestID, invoked: step.invoked))
            case .open, .alive, .unknown, .delete, .command, .read, .frame:
                break
            }
        }
        copy.sortUnknowns()
        return copy
    }

    mutating func sortUnknowns() {
        unknowns.sort { $0.requestID < $1.requestID }
        hasOtherUnknowns = unknowns.contains { $0.move.joining == nil }
    }

    func describe(_ model: LatchModel) -> String {
        let members = model.members.map {
            "\(HistoryText.quote(participants[$0.participant])) of session "
                + "\(sessions[$0.session].id)"
                + (model.ended.contains($0.session) ? ", which is over" : "")
        }
        return "term \(model.term), "
            + (members.isEmpty ? "nobody in it" : "in it: " + members.joined(separator: "; "))
    }
}
