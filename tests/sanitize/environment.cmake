# What tests run with under the sanitizers: ctest includes this before it starts any.
#
# libasan 12 looks at each block of thread-local storage that __tls_get_addr gives. Of one that begins 16 bytes after the
# start of a page it believes that the loader of an old C library made it, and takes the 16 bytes before it, here those
# of its own allocator, for the block's place and size. What LeakSanitizer then reads as a root is at an address such
# as 0x1180: "Tracer caught signal 11". Whether a block lies so depends on what was allocated before, so it hits some
# runs that load the code generator, and those each time. Without the interception such blocks, which the loader has from
# malloc, are still found through the loader's own tables.
set(ENV{ASAN_OPTIONS} "intercept_tls_get_addr=0:$ENV{ASAN_OPTIONS}")
