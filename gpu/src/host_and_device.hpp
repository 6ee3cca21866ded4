#pragma once
// host_and_device.hpp: marks functions that the processor and a GPU both have. Of other compilers
// than nvcc it says nothing.

#ifdef __CUDACC__
#define CASC_HOST_AND_DEVICE __host__ __device__
#else
#define CASC_HOST_AND_DEVICE
#endif
