/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sink.c - the way from sink.h to the kind of sink at hand */
#include "sink/sink.h"

int sink_begin(struct sink *sink, const char *name, struct sink_file **ret,
               struct error *err)
{
    return sink->ops->begin(sink, name, ret, err);
}

int sink_write(struct sink_file *file, uint64_t offset, const void *data,
               size_t length, size_t room, struct error *err)
{
    return file->sink->ops->write(file, offset, data, length, room, err);
}

int sink_finish(struct sink_file *file, uint64_t size, struct error *err)
{
    return file->sink->ops->finish(file, size, err);
}

int sink_publish(struct sink *sink, const char *name, struct error *err)
{
    return sink->ops->publish(sink, name, err);
}

int sink_remove(struct sink *sink, const char *name, struct error *err)
{
    return sink->ops->remove(sink, name, err);
}

void sink_discard(struct sink_file *file)
{
    if (file)
        file->sink->ops->discard(file);
}

void sink_free(struct sink *sink)
{
    if (sink)
        sink->ops->free(sink);
}
