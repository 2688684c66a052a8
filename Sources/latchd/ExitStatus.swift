/// How `latchd` ends, as the shell sees it. The numbers are those of sysexits.h where one fits.
///
/// `Docs/Operations.md` has the same table with what to do; service managers rely on it.
enum ExitStatus: Int32, Sendable, CaseIterable {
    case success = 0
    case usage = 64
    case damagedData = 65
    case noData = 66
    case addressUnavailable = 69
    case invariantViolated = 70
    case systemError = 71
    case cannotCreateData = 73
    case diskFailure = 74
    case dataInUse = 75
    case badConfiguration = 78

    /// One line for `--help` and the documentation.
    var meaning: String {
        switch self {
        case .success: "stopped as asked (SIGTERM, SIGINT), or --check found nothing wrong"
        case .usage: "wrong command line"
        case .damagedData:
            "the data is damaged, or belongs to another node, cluster, member list or version"
        case .noData: "the data directory is empty; the very first start needs --bootstrap"
        case .addressUnavailable:
            "an address cannot be listened on (in use, or not of this machine)"
        case .invariantViolated: "an invariant is violated: the node stopped rather than be wrong"
        case .systemError:
            "the operating system refused something else (threads, descriptors, library)"
        case .cannotCreateData:
            "the data directory cannot be made, read or written, or others may write to it"
        case .diskFailure: "a write or fsync failed; nothing after it was acknowledged"
        case .dataInUse: "another process uses the data directory"
        case .badConfiguration: "the configuration cannot be used"
        }
    }

    /// The table of `--help`.
    static var table: String {
        allCases.map { status in
            let number = String(status.rawValue)
            return String(repeating: " ", count: 4 - number.count) + "\(number)  \(status.meaning)"
        }.joined(separator: "\n")
    }
}

/// Why a node cannot start, in words for the operator: what, where, and what to do.
struct StartFailure: Error, Sendable, CustomStringConvertible {
    let status: ExitStatus
    let message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    var description: String { message }
}
