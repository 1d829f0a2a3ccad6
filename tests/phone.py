"""A Delta Chat core as an app has it: JSON-RPC over standard input and output, one object a line, and the token for
push notifications, which deltachat-rpc-server cannot be given.

Usage: phone.py TOKEN, with the accounts' new directory in DC_ACCOUNTS_PATH.
"""

import os
import sys
import threading

from deltachat.capi import ffi, lib

accounts = lib.dc_accounts_new(os.environ["DC_ACCOUNTS_PATH"].encode(), 1)
assert accounts != ffi.NULL, "the core cannot use the directory"
lib.dc_accounts_set_push_device_token(accounts, sys.argv[1].encode())
rpc = lib.dc_jsonrpc_init(accounts)


def answer():
    while (response := lib.dc_jsonrpc_next_response(rpc)) != ffi.NULL:
        sys.stdout.buffer.write(ffi.string(response) + b"\n")
        sys.stdout.flush()
        lib.dc_str_unref(response)


threading.Thread(target=answer, daemon=True).start()
for line in sys.stdin.buffer:
    lib.dc_jsonrpc_request(rpc, line.strip())
# The core's threads end with the process.
os._exit(0)
