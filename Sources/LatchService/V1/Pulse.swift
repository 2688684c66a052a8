import NIOCore

/// Tells when a stream was quiet for a while. One timer a stream, which is set again only when it
/// fires, not with every message. Confined to the stream's loop.
struct Pulse {
    private let interval: TimeAmount
    private var timer: Timer?

    init(milliseconds: Int64) {
        interval = .milliseconds(milliseconds)
    }

    /// The timer's own state, so that messages only move a deadline.
    private final class Timer: @unchecked Sendable {
        var due: NIODeadline
        var task: Scheduled<Void>?
        let fire: () -> Void

        init(due: NIODeadline, fire: @escaping () -> Void) {
            self.due = due
            self.fire = fire
        }

        func arm(on loop: any EventLoop) {
            task = loop.scheduleTask(deadline: due) { [self] in
                if loop.now < due { arm(on: loop) } else { fire() }
            }
        }
    }

    /// A message was sent: `quiet` is called if none follows within the interval.
    mutating func sent(on loop: any EventLoop, quiet: @escaping () -> Void) {
        let due = loop.now + interval
        if let timer, timer.task != nil, timer.due > loop.now {
            timer.due = due
            return
        }
        let timer = Timer(due: due, fire: quiet)
        timer.arm(on: loop)
        self.timer = timer
    }

    /// Nothing more is wanted.
    mutating func stop() {
        timer?.task?.cancel()
        timer = nil
    }
}
