/* A recorder of what a process wrote, renamed and synced below one directory, so that a crash of the machine can be imitated: the
 * process is killed, and crash.mjs takes back what was not synced. Preloaded; changes nothing that the process sees, but for the
 * boot id, which is the one of a file.
 *
 * RIG_RECORD_DIR   the directory that counts
 * RIG_RECORD       the journal: a line for each step, written before a write and after a sync
 * RIG_DISK         while a file of this name and `.full` is there, nothing more can be written (half of a write can); `.readonly`:
 *                  nothing at all; `.unsynced`: nothing can be synced
 * RIG_BOOT_ID      what is read in place of /proc/sys/kernel/random/boot_id
 *
 * Lines are of words with tabs between them: W path size offset length, T path size length, A path length (room that was laid out),
 * B path thread and S path thread (a sync begins, has ended; a thread that is killed in between leaves a B alone), D directory thread,
 * C path, U path kept-at, R from to kept-at. What a write or a truncation covers is kept before it, as O path offset kept-at. Files
 * that are removed or covered by a rename are kept by a second link beside the journal. Bounds: one lock; paths of PATH_MAX bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define PIECE_BYTES 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static unsigned kept;

static const char *root(void) { return getenv("RIG_RECORD_DIR"); }

static ssize_t put(int fd, const void *bytes, size_t length) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return real(fd, bytes, length);
}

static int inside(const char *path) {
    const char *dir = root();
    size_t length;
    if (!dir || !path) return 0;
    length = strlen(dir);
    return strncmp(path, dir, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* The name of an open file, if it is one that counts. */
static int named(int fd, char *path) {
    char link[64];
    ssize_t length;
    if (!root()) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return inside(path);
}

static void note(const char *format, ...) {
    char line[3 * PATH_MAX];
    va_list words;
    int length;
    if (journal < 0) {
        static int (*real)(const char *, int, ...);
        const char *file = getenv("RIG_RECORD");
        if (!file) return;
        real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
        journal = real(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
    va_start(words, format);
    length = vsnprintf(line, sizeof line, format, words);
    va_end(words);
    if (length > 0 && put(journal, line, (size_t)length) < 0) abort();
}

/* Whether the disk is sick in this way now. */
static int is_sick(const char *how) {
    char flag[PATH_MAX];
    const char *disk = getenv("RIG_DISK");
    if (!disk) return 0;
    snprintf(flag, sizeof flag, "%s.%s", disk, how);
    return access(flag, F_OK) == 0;
}

/* The error that a write gets now, or 0. Of a write to a full disk, the first one may get half of it. */
static int sickness(void) {
    if (is_sick("readonly")) return EROFS;
    return is_sick("full") ? ENOSPC : 0;
}

static void place_of_kept(char *path) {
    snprintf(path, PATH_MAX, "%s.%d.%u", getenv("RIG_RECORD") ? getenv("RIG_RECORD") : "", (int)getpid(), kept++);
}

/* Copies a part of a file, as far as it goes; answers how much, or -1 where it cannot be written. Piece by piece: the memory of the
 * process is measured, and what is kept can be a file of 32 MiB. */
static off_t copy_part(int from, int to, off_t offset, off_t length) {
    char bytes[PIECE_BYTES];
    off_t copied = 0;
    while (copied < length) {
        size_t wanted = length - copied < PIECE_BYTES ? (size_t)(length - copied) : PIECE_BYTES;
        ssize_t had = pread(from, bytes, wanted, offset + copied);
        if (had <= 0) break;
        if (put(to, bytes, (size_t)had) != had) return -1;
        copied += had;
    }
    return copied;
}

/* Keeps what stands in a part of a file before it is written over. */
static void keep_part(const char *path, off_t offset, off_t length) {
    char place[PATH_MAX];
    static int (*real_open)(const char *, int, ...);
    int from, to;
    if (length <= 0) return;
    real_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    from = real_open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) return;
    place_of_kept(place);
    to = real_open(place, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to >= 0) {
        if (copy_part(from, to, offset, length) > 0) note("O\t%s\t%lld\t%s\n", path, (long long)offset, place);
        else unlink(place);
        close(to);
    }
    close(from);
}

static void note_write(const char *path, off_t offset, size_t length) {
    struct stat now = {0};
    if (stat(path, &now) == 0 && offset < now.st_size) {
        off_t covered = now.st_size - offset;
        keep_part(path, offset, covered < (off_t)length ? covered : (off_t)length);
    }
    note("W\t%s\t%lld\t%lld\t%zu\n", path, (long long)now.st_size, (long long)offset, length);
}

static off_t place(int fd) {
    int flags = fcntl(fd, F_GETFL);
    struct stat now;
    if (flags >= 0 && (flags & O_APPEND) && fstat(fd, &now) == 0) return now.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    char path[PATH_MAX];
    ssize_t done;
    if (!named(fd, path)) return put(fd, bytes, length);
    if ((errno = sickness()) != 0) {
        if (errno != ENOSPC || length < 1024) return -1;
        length /= 2;
    }
    pthread_mutex_lock(&lock);
    note_write(path, place(fd), length);
    done = put(fd, bytes, length);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    char path[PATH_MAX];
    size_t length = 0;
    ssize_t done;
    int part;
    if (!named(fd, path)) return real(fd, parts, count);
    if ((errno = sickness()) != 0) return -1;
    for (part = 0; part < count; part++) length += parts[part].iov_len;
    pthread_mutex_lock(&lock);
    note_write(path, place(fd), length);
    done = real(fd, parts, count);
    pthread_mutex_unlock(&lock);
    return done;
}

#define PWRITE(name, offset_type)                                                                                                  \
    ssize_t name(int fd, const void *bytes, size_t length, offset_type offset) {                                                   \
        REAL(name);                                                                                                                \
        char path[PATH_MAX];                                                                                                       \
        ssize_t done;                                                                                                              \
        if (!named(fd, path)) return real(fd, bytes, length, offset);                                                              \
        if ((errno = sickness()) != 0) {                                                                                           \
            if (errno != ENOSPC || length < 1024) return -1;                                                                       \
            length /= 2;                                                                                                           \
        }                                                                                                                          \
        pthread_mutex_lock(&lock);                                                                                                 \
        note_write(path, offset, length);                                                                                          \
        done = real(fd, bytes, length, offset);                                                                                    \
        pthread_mutex_unlock(&lock);                                                                                               \
        return done;                                                                                                               \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define FTRUNCATE(name, offset_type)                                                                                               \
    int name(int fd, offset_type length) {                                                                                         \
        REAL(name);                                                                                                                \
        char path[PATH_MAX];                                                                                                       \
        struct stat now = {0};                                                                                                     \
        int done;                                                                                                                  \
        if (!named(fd, path)) return real(fd, length);                                                                             \
        pthread_mutex_lock(&lock);                                                                                                 \
        if (fstat(fd, &now) == 0 && length < now.st_size) keep_part(path, length, now.st_size - length);                           \
        note("T\t%s\t%lld\t%lld\n", path, (long long)now.st_size, (long long)length);                                                                            \
        done = real(fd, length);                                                                                                   \
        pthread_mutex_unlock(&lock);                                                                                               \
        return done;                                                                                                               \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define FALLOCATE(name, offset_type)                                                                                               \
    int name(int fd, int mode, offset_type offset, offset_type length) {                                                           \
        REAL(name);                                                                                                                \
        char path[PATH_MAX];                                                                                                       \
        int done;                                                                                                                  \
        if (!named(fd, path)) return real(fd, mode, offset, length);                                                               \
        if ((errno = sickness()) != 0) return -1;                                                                                  \
        done = real(fd, mode, offset, length);                                                                                     \
        if (done == 0 && mode == 0) {                                                                                              \
            pthread_mutex_lock(&lock);                                                                                             \
            note("A\t%s\t%lld\n", path, (long long)(offset + length));                                                             \
            pthread_mutex_unlock(&lock);                                                                                           \
        }                                                                                                                          \
        return done;                                                                                                               \
    }
FALLOCATE(fallocate, off_t)
FALLOCATE(fallocate64, off64_t)

static int noted_sync(int fd, int done) {
    char path[PATH_MAX];
    struct stat what;
    int error = errno;
    if (done == 0 && named(fd, path)) {
        pthread_mutex_lock(&lock);
        note("%s\t%s\t%ld\n", fstat(fd, &what) == 0 && S_ISDIR(what.st_mode) ? "D" : "S", path, syscall(SYS_gettid));
        pthread_mutex_unlock(&lock);
    }
    errno = error;
    return done;
}

/* What is written while a sync runs is not known to be held by it: B marks where it began. */
static void noted_begin(int fd) {
    char path[PATH_MAX];
    if (!named(fd, path)) return;
    pthread_mutex_lock(&lock);
    note("B\t%s\t%ld\n", path, syscall(SYS_gettid));
    pthread_mutex_unlock(&lock);
}

static int cannot_sync(int fd) {
    char path[PATH_MAX];
    if (!is_sick("unsynced") || !named(fd, path)) return 0;
    errno = EIO;
    return 1;
}

int fsync(int fd) {
    REAL(fsync);
    if (cannot_sync(fd)) return -1;
    noted_begin(fd);
    return noted_sync(fd, real(fd));
}

int fdatasync(int fd) {
    REAL(fdatasync);
    if (cannot_sync(fd)) return -1;
    noted_begin(fd);
    return noted_sync(fd, real(fd));
}

static void absolute(const char *path, char *whole) {
    if (path[0] == '/' || !getcwd(whole, PATH_MAX - 1)) snprintf(whole, PATH_MAX, "%s", path);
    else {
        size_t length = strlen(whole);
        snprintf(whole + length, PATH_MAX - length, "/%s", path);
    }
}

/* A second link to a file that is about to lose its name; empty where there is none. */
static void keep_file(const char *path, char *at) {
    place_of_kept(at);
    if (link(path, at) != 0) at[0] = 0;
}

#define OPEN(name)                                                                                                                 \
    int name(const char *file, int flags, ...) {                                                                                   \
        int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);                            \
        const char *boot = getenv("RIG_BOOT_ID");                                                                                  \
        char whole[PATH_MAX];                                                                                                      \
        struct stat before;                                                                                                        \
        mode_t mode = 0;                                                                                                           \
        int is_new, fd;                                                                                                            \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                                                                     \
            va_list words;                                                                                                         \
            va_start(words, flags);                                                                                                \
            mode = va_arg(words, mode_t);                                                                                          \
            va_end(words);                                                                                                         \
        }                                                                                                                          \
        if (boot && strcmp(file, "/proc/sys/kernel/random/boot_id") == 0) return real(boot, flags, mode);                          \
        absolute(file, whole);                                                                                                     \
        if (!inside(whole)) return real(file, flags, mode);                                                                        \
        if ((flags & O_CREAT) && is_sick("readonly")) {                                                                            \
            errno = EROFS;                                                                                                         \
            return -1;                                                                                                             \
        }                                                                                                                          \
        is_new = (flags & O_CREAT) && stat(file, &before) != 0;                                                    \
        if ((flags & O_TRUNC) && !is_new && stat(file, &before) == 0) {                                            \
            pthread_mutex_lock(&lock);                                                                                             \
            keep_part(whole, 0, before.st_size);                                                                                    \
            note("T\t%s\t%lld\t0\n", whole, (long long)before.st_size);                                                                                              \
            pthread_mutex_unlock(&lock);                                                                                           \
        }                                                                                                                          \
        fd = real(file, flags, mode);                                                                                              \
        if (fd >= 0 && is_new) {                                                                                                   \
            pthread_mutex_lock(&lock);                                                                                             \
            note("C\t%s\n", whole);                                                                                               \
            pthread_mutex_unlock(&lock);                                                                                           \
        }                                                                                                                          \
        return fd;                                                                                    \
    }
OPEN(open)
OPEN(open64)

int rename(const char *from, const char *to) {
    REAL(rename);
    char whole_from[PATH_MAX], whole_to[PATH_MAX], at[PATH_MAX] = "";
    struct stat there;
    int done;
    absolute(from, whole_from);
    absolute(to, whole_to);
    if (!inside(whole_to)) return real(from, to);
    if (is_sick("readonly")) {
        errno = EROFS;
        return -1;
    }
    pthread_mutex_lock(&lock);
    if (stat(whole_to, &there) == 0) keep_file(whole_to, at);
    done = real(from, to);
    if (done == 0) note("R\t%s\t%s\t%s\n", whole_from, whole_to, at);
    pthread_mutex_unlock(&lock);
    return done;
}

int unlink(const char *file) {
    REAL(unlink);
    char path[PATH_MAX], at[PATH_MAX] = "";
    int done;
    absolute(file, path);
    if (!inside(path)) return real(file);
    pthread_mutex_lock(&lock);
    keep_file(path, at);
    done = real(file);
    if (done == 0) note("U\t%s\t%s\n", path, at);
    pthread_mutex_unlock(&lock);
    return done;
}
