// Windows only. The addon is linked against a program named NODE.EXE; in Electron the functions are in another one. When the loader asks for
// NODE.EXE, it is given the program that runs.
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

#include <delayimp.h>
#include <string.h>

namespace {
FARPROC WINAPI resolve(unsigned int event, PDelayLoadInfo info) {
  if (event != dliNotePreLoadLibrary || _stricmp(info->szDll, "NODE.EXE") != 0) return nullptr;
  return reinterpret_cast<FARPROC>(GetModuleHandleW(nullptr));
}
}  // namespace

extern "C" const PfnDliHook __pfnDliNotifyHook2 = resolve;
