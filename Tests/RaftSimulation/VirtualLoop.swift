import Dispatch
import NIOCore

/// One thread of one simulated process, as an event loop in virtual time.
///
/// It has a clock of its own that may run fast or slow, tasks begin a little late, and while the
/// process is stopped (SIGSTOP) they wait and the clock runs on. After a kill nothing runs any
/// more.
///
/// `@unchecked Sendable`: a world and all in it is used by one thread.
final class VirtualLoop: EventLoop, @unchecked Sendable {
    /// A clock: nanoseconds at time zero, and how fast it runs.
    struct Clock {
        var offsetNanoseconds: UInt64
        var permille: UInt64

        func nanoseconds(at milliseconds: UInt64) -> UInt64 {
            offsetNanoseconds + milliseconds * 1_000 * permille
        }

        /// The first millisecond at which the clock shows at least `nanoseconds`.
        func milliseconds(of nanoseconds: UInt64) -> UInt64 {
            guard nanoseconds > offsetNanoseconds else { return 0 }
            let step = 1_000 * permille
            return (nanoseconds - offsetNanoseconds + step - 1) / step
        }
    }

    private let time: VirtualTime
    private let clock: Clock
    /// How late a task begins, in milliseconds.
    private let latency: () -> UInt64
    private var lastStart: UInt64 = 0
    private var isDead = false
    private var isStopped = false
    private var backlog: [() -> Void] = []

    init(time: VirtualTime, clock: Clock, latency: @escaping () -> UInt64) {
        self.time = time
        self.clock = clock
        self.latency = latency
    }

    var now: NIODeadline { .uptimeNanoseconds(clock.nanoseconds(at: time.now)) }
    var inEventLoop: Bool { true }

    // MARK: The process's fate

    func kill() {
        isDead = true
        backlog = []
    }

    func stop() { isStopped = true }

    /// What waited runs now, in order.
    func resume() {
        isStopped = false
        let waiting = backlog
        backlog = []
        for task in waiting { time.after(0) { [self] in run(task) } }
    }

    func run(_ task: @escaping () -> Void) {
        if isDead { return }
        if isStopped { backlog.append(task) } else { task() }
    }

    // MARK: Tasks

    /// Tasks begin in the order in which they were handed in.
    func execute(_ task: @escaping @Sendable () -> Void) {
        lastStart = max(lastStart, time.now + latency())
        time.at(lastStart) { [self] in run(task) }
    }

    @preconcurrency func scheduleTask<Value>(
        deadline: NIODeadline, _ task: @escaping @Sendable () throws -> Value
    ) -> Scheduled<Value> {
        let promise = makePromise(of: Value.self)
        let timer = Timer { promise.fail(EventLoopError.shutdown) }
        let start = clock.milliseconds(of: deadline.uptimeNanoseconds) + latency()
        time.at(start) { [self] in
            guard !timer.isCancelled else { return }
            run {
                guard !timer.isCancelled else { return }
                promise.assumeIsolated().completeWith(Result(catching: task))
            }
        }
        return Scheduled(promise: promise) { timer.isCancelled = true }
    }

    @preconcurrency func scheduleTask<Value>(
        in delay: TimeAmount, _ task: @escaping @Sendable () throws -> Value
    ) -> Scheduled<Value> {
        scheduleTask(deadline: now + delay, task)
    }

    /// A task to come. One that never runs fails its promise when it is forgotten.
    private final class Timer: @unchecked Sendable {
        var isCancelled = false
        private let onForgotten: () -> Void

        init(onForgotten: @escaping () -> Void) { self.onForgotten = onForgotten }

        deinit { onForgotten() }
    }

    func shutdownGracefully(
        queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void
    ) {
        kill()
        queue.async { callback(nil) }
    }
}
