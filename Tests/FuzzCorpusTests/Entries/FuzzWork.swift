import Synchronization

/// What the executions of this process have done: an execution is not always one frame or request.
package enum FuzzWork {
    /// Whole frames of peers that were given to a decoder.
    static let frames = Atomic<Int>(0)
    /// Request messages that were given to a decoder, and calls that HTTP/2 brought to a service.
    static let requests = Atomic<Int>(0)

    static func countFrame() { frames.wrappingAdd(1, ordering: .relaxed) }

    static func countRequests(_ count: Int = 1) {
        requests.wrappingAdd(count, ordering: .relaxed)
    }

    /// The sums since the process began, as `Tests/Fuzz/fuzz` reads them.
    package static var report: String {
        let counts = (frames.load(ordering: .relaxed), requests.load(ordering: .relaxed))
        return "work: \(counts.0) frames \(counts.1) requests"
    }
}
