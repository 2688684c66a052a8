/// How a ``LatchCluster`` behaves. The defaults suit a LAN.
public struct LatchSettings: Sendable {
    /// How long one call may take over all of its attempts, before it throws.
    public var timeout: Duration = .seconds(10)
    /// How long one node may take to answer before the next node is asked.
    public var attemptTimeout: Duration = .seconds(2)
    /// The pause after every node failed once; it doubles from round to round, with jitter.
    public var initialBackoff: Duration = .milliseconds(50)
    /// The longest pause between two rounds, and between two attempts to connect to one node.
    public var maximumBackoff: Duration = .seconds(1)

    /// How long a stream of news may be quiet before another node is asked. The servers send a
    /// sign of life every 5 s.
    public var streamPatience: Duration = .seconds(12)

    /// The defaults.
    public init() {}

    var backoff: Backoff { Backoff(initial: initialBackoff, maximum: maximumBackoff) }
}
