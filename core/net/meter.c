#include "net/meter.h"

static double room_of(uint64_t rate, const neap_settings *settings) {
  return (double)rate * (double)settings->burst / 1e3;
}

/* One message of the largest size has to find room, with its frame's head. */
static double room_for_bytes(const neap_settings *settings) {
  double room = room_of(settings->bytes_per_second, settings);
  double least = (double)settings->message + 14;
  return room < least ? least : room;
}

static double room_for_messages(const neap_settings *settings) {
  double room = room_of(settings->messages_per_second, settings);
  return room < 1 ? 1 : room;
}

void neap_meter_fill(neap_meter *meter, const neap_settings *settings,
                     uint64_t now) {
  *meter = (neap_meter){.at = now,
                        .messages = room_for_messages(settings),
                        .bytes = room_for_bytes(settings)};
}

/* What is there beyond the room was given for slack, and is not lost. */
static void fill(double *level, double more, double room) {
  double full = *level + more;
  if (full > room)
    full = *level > room ? *level : room;
  *level = full;
}

bool neap_meter_take(neap_meter *meter, const neap_settings *settings,
                     uint64_t now, uint64_t stall, size_t messages,
                     size_t bytes) {
  double seconds = (double)(now - meter->at) / 1e3;
  double slack = (double)(stall > meter->slack ? stall : meter->slack) / 1e3;
  double message_rate = (double)settings->messages_per_second;
  double byte_rate = (double)settings->bytes_per_second;
  meter->at = now;
  meter->slack = 0;
  fill(&meter->messages, message_rate * seconds,
       room_for_messages(settings) + message_rate * slack);
  fill(&meter->bytes, byte_rate * seconds,
       room_for_bytes(settings) + byte_rate * slack);
  meter->messages -= (double)messages;
  meter->bytes -= (double)bytes;
  return (message_rate == 0 || meter->messages >= 0) &&
         (byte_rate == 0 || meter->bytes >= 0);
}

void neap_meter_pause(neap_meter *meter, uint64_t now) {
  meter->paused_at = now;
}

void neap_meter_resume(neap_meter *meter, uint64_t now) {
  meter->slack = now - meter->paused_at;
  meter->paused_at = 0;
}
