import Foundation

/// How long a disk takes to make small writes durable.
struct DiskProbe {
    /// Sorted, shortest first.
    let samples: [Duration]

    /// Appends a page and waits for the disk, again and again, in a file of its own in `folder`.
    ///
    /// - Throws: ``RunFailure``.
    init(folder: String, count: Int) throws {
        let template = cString(folder + "/latchctl-doctor-XXXXXX")
        defer { template.deallocate() }
        let descriptor = mkstemp(template)
        guard descriptor >= 0 else {
            throw RunFailure("cannot write in \(folder): \(String(cString: strerror(errno)))")
        }
        unlink(template)
        defer { close(descriptor) }
        let page = [UInt8](repeating: 0x5A, count: 4_096)
        var samples: [Duration] = []
        for _ in 0..<count {
            let start = ContinuousClock.now
            guard write(descriptor, page, page.count) == page.count, fsync(descriptor) == 0 else {
                throw RunFailure("cannot write in \(folder): \(String(cString: strerror(errno)))")
            }
            samples.append(ContinuousClock.now - start)
        }
        self.samples = samples.sorted()
    }
}

/// The figures that a distribution is told by.
struct Spread: Encodable, Hashable {
    let count: Int
    let p50Us: Int64
    let p99Us: Int64
    let maxUs: Int64

    /// nil of nothing.
    init?(_ samples: [Duration]) {
        let sorted = samples.sorted()
        guard let longest = sorted.last else { return nil }
        count = sorted.count
        p50Us = Self.microseconds(sorted[sorted.count / 2])
        p99Us = Self.microseconds(sorted[min(sorted.count - 1, sorted.count * 99 / 100)])
        maxUs = Self.microseconds(longest)
    }

    private static func microseconds(_ span: Duration) -> Int64 { span.nanoseconds / 1_000 }

    /// `p50 0.2 ms, p99 1.4 ms, longest 3.0 ms`.
    var text: String {
        "p50 \(Self.text(p50Us)), p99 \(Self.text(p99Us)), longest \(Self.text(maxUs))"
    }

    static func text(_ microseconds: Int64) -> String {
        let tenths = (microseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10) ms"
    }
}
