package import Foundation

/// A library for LD_PRELOAD that makes a process's fsync slow or fail and moves its wall clock, as
/// a small file tells it. Compiled with the machine's C compiler when a run starts.
package struct Shim: Sendable {
    package let library: URL

    /// Nil where there is no C compiler, or it does not make the library, or a process does not
    /// load it.
    package static func compile(in folder: URL) -> Shim? {
        let source = folder.appendingPathComponent("shim.c")
        let library = folder.appendingPathComponent("shim.so")
        guard (try? text.write(to: source, atomically: true, encoding: .utf8)) != nil else {
            return nil
        }
        let compiler = Process()
        compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        compiler.arguments = [
            "cc", "-O1", "-shared", "-fPIC", "-o", library.path, source.path, "-ldl",
        ]
        compiler.standardOutput = FileHandle.nullDevice
        compiler.standardError = FileHandle.nullDevice
        guard (try? compiler.run()) != nil else { return nil }
        compiler.waitUntilExit()
        guard compiler.terminationStatus == 0 else { return nil }
        return Shim(library: library)
    }

    /// Whether `binary` loads the library: a static one does not, nor one with privileges.
    func isLoaded(by binary: URL) -> Bool {
        let orders = library.deletingLastPathComponent().appendingPathComponent("probe")
        let probe = Process()
        probe.executableURL = binary
        probe.arguments = ["--version"]
        probe.environment = ProcessInfo.processInfo.environment
            .merging(environment(orders: orders)) { _, new in new }
        probe.standardOutput = FileHandle.nullDevice
        probe.standardError = FileHandle.nullDevice
        guard (try? probe.run()) != nil else { return false }
        probe.waitUntilExit()
        return FileManager.default.fileExists(atPath: orders.path + ".loaded")
    }

    /// Whether a sync of the process with these orders has failed since that was last forgotten.
    func hasFailedSync(orders file: URL) -> Bool {
        FileManager.default.fileExists(atPath: file.path + ".failed")
    }

    func forgetFailedSync(orders file: URL) {
        try? FileManager.default.removeItem(atPath: file.path + ".failed")
    }

    /// What a process does from now on.
    package struct Orders: Hashable, Sendable {
        package var syncDelayMilliseconds = 0
        /// The next fsync or fdatasync gives EIO.
        package var failsSync = false
        package var wallClockOffsetMilliseconds = 0

        package init() {}

        var line: String {
            "\(syncDelayMilliseconds) \(failsSync ? 1 : 0) \(wallClockOffsetMilliseconds)\n"
        }
    }

    package func environment(orders file: URL) -> [String: String] {
        // LD_PRELOAD has no way to write a space, which LD_LIBRARY_PATH allows in a folder's name.
        let own = library.deletingLastPathComponent().path
        let others = ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"].map { ":" + $0 } ?? ""
        return [
            "LD_PRELOAD": library.lastPathComponent,
            "LD_LIBRARY_PATH": own + others,
            "LATCHD_SHIM_ORDERS": file.path,
        ]
    }

    /// Whole or not at all: the process reads the file while it is written.
    package func write(_ orders: Orders, to file: URL) throws {
        try orders.line.write(to: file, atomically: true, encoding: .utf8)
    }

    /// The clock is asked often, so the file is read at most each 20 ms of the monotonic clock.
    private static let text = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <stdatomic.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <time.h>
        #include <unistd.h>
        #include <sys/syscall.h>

        static atomic_long delay_ms, fails, offset_ms, read_at;

        static int real_clock(clockid_t clock, struct timespec *now) {
            return (int)syscall(SYS_clock_gettime, clock, now);
        }

        static void read_orders(void) {
            struct timespec now;
            real_clock(CLOCK_MONOTONIC, &now);
            long ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
            long last = atomic_load(&read_at);
            if (ms - last < 20 || !atomic_compare_exchange_strong(&read_at, &last, ms)) return;
            const char *path = getenv("LATCHD_SHIM_ORDERS");
            if (!path) return;
            int file = open(path, O_RDONLY | O_CLOEXEC);
            if (file < 0) return;
            char text[128];
            ssize_t size = read(file, text, sizeof text - 1);
            close(file);
            if (size <= 0) return;
            text[size] = 0;
            long delay, fail, offset;
            if (sscanf(text, "%ld %ld %ld", &delay, &fail, &offset) != 3) return;
            atomic_store(&delay_ms, delay);
            atomic_store(&fails, fail);
            atomic_store(&offset_ms, offset);
        }

        static void leave_mark(const char *suffix) {
            const char *path = getenv("LATCHD_SHIM_ORDERS");
            char name[4096];
            if (!path) return;
            if (snprintf(name, sizeof name, "%s%s", path, suffix) >= (int)sizeof name) return;
            int file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            if (file >= 0) close(file);
        }

        __attribute__((constructor)) static void loaded(void) { leave_mark(".loaded"); }

        static int hindered(void) {
            read_orders();
            long delay = atomic_load(&delay_ms);
            if (delay > 0) usleep((useconds_t)delay * 1000);
            if (!atomic_load(&fails)) return 0;
            leave_mark(".failed");
            errno = EIO;
            return 1;
        }

        int fsync(int file) {
            return hindered() ? -1 : (int)syscall(SYS_fsync, file);
        }

        int fdatasync(int file) {
            return hindered() ? -1 : (int)syscall(SYS_fdatasync, file);
        }

        int clock_gettime(clockid_t clock, struct timespec *now) {
            int result = real_clock(clock, now);
            if (clock == CLOCK_REALTIME && result == 0) {
                read_orders();
                long offset = atomic_load(&offset_ms);
                now->tv_sec += offset / 1000;
                now->tv_nsec += offset % 1000 * 1000000;
                if (now->tv_nsec < 0) { now->tv_nsec += 1000000000; now->tv_sec -= 1; }
                if (now->tv_nsec >= 1000000000) { now->tv_nsec -= 1000000000; now->tv_sec += 1; }
            }
            return result;
        }
        """
}
