#pragma once
// Which sanitizer a test is compiled for: CASC_THREAD_SANITIZER and CASC_ADDRESS_SANITIZER are 1 or
// 0. GCC says so by a macro of its own, Clang by __has_feature.

#if defined(__SANITIZE_THREAD__)
#define CASC_THREAD_SANITIZER 1
#elif defined(__SANITIZE_ADDRESS__)
#define CASC_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CASC_THREAD_SANITIZER 1
#elif __has_feature(address_sanitizer)
#define CASC_ADDRESS_SANITIZER 1
#endif
#endif

#ifndef CASC_THREAD_SANITIZER
#define CASC_THREAD_SANITIZER 0
#endif
#ifndef CASC_ADDRESS_SANITIZER
#define CASC_ADDRESS_SANITIZER 0
#endif
