# crispd's end of crisp-monitor; see monitor.h.
set(CRISP_OCI_MONITOR_SOURCES
  attach_connection.cc monitor.cc monitor_connection.cc monitor_files.cc monitor_launch.cc monitor_watch.cc)
