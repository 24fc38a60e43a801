LSTM = GRU = None
