/* Which handler a mail calls, and with what; remembered for the day that it is run again. */
#include "agent/internal.h"

#include <assert.h>

void run_call_of(const struct mail *mail, struct hgl_vm_message *message, struct hgl_vm_call *call,
                 struct hgl_buf *values)
{
  if (mail->message) {
    *message = (struct hgl_vm_message){mail->message->envelope, mail->attempt};
    call->message = message;
  }
  switch (mail->kind) {
  case MAIL_MESSAGE:
    assert(mail->message);
    call->kind = HGL_VM_HANDLER;
    call->name = mail->message->envelope.type;
    return;
  case MAIL_UNDELIVERED:
    call->kind = HGL_VM_ON_UNDELIVERED;
    hgl_cbor_put_list(values, 2);
    hgl_cbor_put_literal(values, mail->why);
    hgl_cbor_put_literal(values, hgl_code_name(mail->code));
    return;
  case MAIL_TIMER:
    assert(mail->timer);
    call->kind = mail->timer->every_ms ? HGL_VM_EVERY : HGL_VM_ON_TIMER;
    call->name = hgl_bytes(mail->timer->id, mail->timer->name_size);
    if (mail->timer->every_ms || !mail->timer->value.size) return;
    hgl_cbor_put_list(values, 1);
    hgl_buf_append_bytes(values, hgl_buf_bytes(&mail->timer->value));
    return;
  case MAIL_START:
    call->kind = HGL_VM_ON_START;
    hgl_cbor_put_list(values, 1);
    hgl_cbor_put_literal(values, mail->why);
    return;
  case MAIL_UPGRADE:
    call->kind = HGL_VM_ON_UPGRADE;
    hgl_cbor_put_list(values, 2);
    hgl_cbor_put_int(values, mail->from_version);
    hgl_cbor_put_int(values, mail->to_version);
    return;
  case MAIL_STOP:
    call->kind = HGL_VM_ON_STOP;
    return;
  case MAIL_CONSOLE:
    call->kind = HGL_VM_CONSOLE;
    hgl_cbor_put_list(values, 1);
    hgl_buf_append_bytes(values, hgl_buf_bytes(mail->value));
    return;
  case MAIL_HTTP:
    assert(mail->value);
    call->kind = HGL_VM_ON_HTTP;
    call->name = hgl_text(mail->why);
    hgl_buf_append_bytes(values, hgl_buf_bytes(mail->value));
    return;
  case MAIL_CONTINUE:
    call->kind = HGL_VM_ON_TIMER;
    call->name = hgl_text(mail->why);
    if (!mail->value || !mail->value->size) return;
    hgl_cbor_put_list(values, 1);
    hgl_buf_append_bytes(values, hgl_buf_bytes(mail->value));
    return;
  }
}

int run_remember_call(struct agent_run *run, const struct hgl_vm_call *call, struct hgl_err *err)
{
  struct mail *mail = run->mail;
  run->kind = call->kind;
  run->seed = call->seed;
  hgl_buf_append_bytes(&run->name, call->name);
  hgl_buf_append_bytes(&run->values, call->values);
  run->script = script_hold(run->agent->script);
  run->vm = run->agent->vm;
  if (mail->timer && mail->timer->every_ms) {
    run->schedule = mail->timer;
    mail->timer->run = run;
  }
  if (mail->timer && !mail->why &&
      !(mail->why = hgl_strndup(mail->timer->id, mail->timer->name_size)))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_buf_check(&run->name, err);
  return status ? status : hgl_buf_check(&run->values, err);
}
